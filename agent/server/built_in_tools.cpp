#include "agent/server/built_in_tools.h"

#include <algorithm>

#include "agent/loop/prompt.h"
#include "agent/server/turn_metrics.h"

namespace toccata::server {
namespace {

std::string space_of(const std::string& recipient) { return recipient.substr(0, recipient.find('.')); }

bool is_search(const std::string& type) {
  return type.starts_with("web_search") || type == "browser_search";
}

// Every recipient of the catalog in that namespace.
std::set<std::string> recipients_in(const Services& services, const std::string& space) {
  std::set<std::string> found;
  const ToolHost* host = services.tools.host();
  if (host == nullptr) return found;
  for (std::string& recipient : host->catalog().recipients()) {
    if (space_of(recipient) == space) found.insert(std::move(recipient));
  }
  return found;
}

void refuse_fields(const Json& tool, const std::string& type, std::initializer_list<const char*> names, const char* why) {
  for (const char* name : names) {
    const Json* value = field(tool, name);
    if (value == nullptr || (value->is_structured() && value->empty())) continue;
    throw ApiError(400, "'" + std::string(name) + "' of the tool " + type + " is not supported" + why, "unsupported_parameter", "tools");
  }
}

[[noreturn]] void refuse_off(const std::string& type, const char* flags) {
  throw ApiError(
      400, "the tool " + type + " is not switched on here; whoever runs the server does so with --api-tools " + flags, "tool_not_enabled", "tools"
  );
}

void read_search(const Json& tool, const std::string& type, const Services& services, BuiltInTools& tools) {
  const auto recipients = recipients_in(services, "browser");
  if (recipients.empty()) {
    tools.off.push_back(type);
    return;
  }
  refuse_fields(tool, type, {"filters"}, "; the server's own --allow-domain says where pages come from");
  tools.offered.insert(recipients.begin(), recipients.end());
}

void read_interpreter(const Json& tool, const std::string& type, const Services& services, BuiltInTools& tools) {
  const auto recipients = recipients_in(services, "python");
  if (recipients.empty()) refuse_off(type, "--tools python");
  tools.offered.insert(recipients.begin(), recipients.end());
  const Json* container = field(tool, "container");
  if (container == nullptr) return;
  if (container->is_string()) {
    tools.container = container->get<std::string>();
    if (tools.container.empty()) throw ApiError::bad("tools", "the 'container' of code_interpreter is empty; expected an id or {\"type\": \"auto\"}");
    return;
  }
  if (!container->is_object() || string_field(*container, "type").value_or("") != "auto") {
    throw ApiError::bad("tools", "the 'container' of code_interpreter must be an id or {\"type\": \"auto\"}");
  }
  refuse_fields(*container, type, {"file_ids"}, ": this server keeps no uploaded files; put them into the conversation as text");
}

const McpServerInfo& find_server(const Json& tool, const std::vector<McpServerInfo>& servers) {
  const std::string label = string_field(tool, "server_label").value_or(""), url = string_field(tool, "server_url").value_or("");
  if (label.empty()) throw ApiError::bad("tools", "a tool of type mcp needs a 'server_label'");
  std::string known;
  for (const McpServerInfo& server : servers) {
    if (server.label == label && (url.empty() || url == server.url)) return server;
    known += (known.empty() ? "" : ", ") + server.label + (server.url.empty() ? "" : " (" + server.url + ")");
  }
  throw ApiError(
      400, "the MCP server '" + label + "'" + (url.empty() ? "" : " at " + url) + " is not among those that this server may use: " + known +
               "; whoever runs it adds one with --mcp FILE",
      "mcp_server_not_allowed", "tools"
  );
}

void read_mcp(const Json& tool, const std::string& type, const Services& services, BuiltInTools& tools) {
  const ToolHost* host = services.tools.host();
  if (host == nullptr || host->mcp_servers().empty()) refuse_off(type, "--mcp FILE");
  const McpServerInfo& server = find_server(tool, host->mcp_servers());
  refuse_fields(tool, type, {"authorization", "headers", "connector_id"}, "; the server's own configuration has them");
  const Json* approval = field(tool, "require_approval");
  if (approval == nullptr || *approval != "never") {
    throw ApiError(
        400, "a tool of type mcp needs \"require_approval\": \"never\": nobody can be asked in the middle of a response; calls that "
             "whoever runs the server wants to approve are refused all the same",
        "unsupported_parameter", "tools"
    );
  }
  const Json* allowed = field(tool, "allowed_tools");
  if (allowed != nullptr && allowed->is_object()) allowed = array_field(*allowed, "tool_names");
  if (allowed != nullptr && !allowed->is_array()) throw ApiError::bad("tools", "'allowed_tools' must be an array of names");
  for (const std::string& recipient : recipients_in(services, server.name_space)) {
    const std::string name = recipient.substr(server.name_space.size() + 1);
    if (allowed == nullptr || std::find(allowed->begin(), allowed->end(), name) != allowed->end()) tools.offered.insert(recipient);
  }
  tools.labels[server.name_space] = server.label;
}

// The first words of a run's line in a list.
std::string task_of(const ChatRequest& request) {
  for (auto turn = request.turns.rbegin(); turn != request.turns.rend(); ++turn) {
    if (const auto* user = std::get_if<UserText>(&*turn)) return user->text;
  }
  return {};
}

harmony::ToolNamespaces only_offered(const harmony::ToolNamespaces& spaces, const std::set<std::string>& shown) {
  harmony::ToolNamespaces offered;
  for (const auto& [name, space] : spaces) {
    harmony::ToolNamespace part = space;
    const std::string start = name + ".";
    std::erase_if(part.tools, [&](const harmony::ToolDescription& tool) { return !shown.contains(start + tool.name); });
    if (space.tools.empty() ? shown.contains(name) : !part.tools.empty()) offered.emplace(name, std::move(part));
  }
  return offered;
}

}  // namespace

bool read_built_in(const Json& tool, const Services& services, BuiltInTools& tools) {
  const std::string type = string_field(tool, "type").value_or("");
  if (is_search(type)) {
    read_search(tool, type, services, tools);
  } else if (type == "code_interpreter" || type.starts_with("code_execution")) {
    read_interpreter(tool, type, services, tools);
  } else if (type == "mcp") {
    read_mcp(tool, type, services, tools);
  } else {
    return false;
  }
  return true;
}

std::optional<std::string> chosen_built_in(const Json& choice, const BuiltInTools& tools) {
  const std::string type = string_field(choice, "type").value_or("");
  std::string space;
  if (is_search(type)) space = "browser";
  if (type == "code_interpreter") space = "python";
  if (type == "mcp") {
    const std::string label = string_field(choice, "server_label").value_or("");
    for (const auto& [name, its_label] : tools.labels) {
      if (its_label == label) space = name;
    }
  }
  if (space.empty() && type != "mcp") return std::nullopt;
  const auto& offered = tools.offered;
  const bool known = !space.empty() && std::any_of(offered.begin(), offered.end(), [&](const std::string& r) { return space_of(r) == space; });
  if (known) return space;
  const bool is_off = std::find(tools.off.begin(), tools.off.end(), type) != tools.off.end();
  throw ApiError::bad(
      "tool_choice", "tool_choice asks for the tool " + type + (is_off ? ", which is not switched on here: --api-tools --tools browser" : ", which 'tools' does not name")
  );
}

void keep_only(const std::set<std::string>& spaces, BuiltInTools& tools) {
  std::erase_if(tools.offered, [&](const std::string& recipient) { return !spaces.contains(space_of(recipient)); });
}

void declare(BuiltInTools& tools, const Services& services, ChatRequest& request, StepOptions& step) {
  for (const harmony::ToolDescription& function : request.functions) {
    std::erase_if(tools.offered, [&](const std::string& recipient) { return space_of(recipient) == space_of(function.name); });
  }
  if (tools.offered.empty()) return;
  const tools::Registry& catalog = services.tools.host()->catalog();
  const harmony::NameMap names = agent::tool_names(catalog);
  for (const std::string& recipient : tools.offered) {
    const std::string shown = names.shown(recipient).value_or(recipient);
    step.made_here.insert(shown);
    tools.names[shown] = recipient;
  }
  step.recipients.insert(step.recipients.end(), step.made_here.begin(), step.made_here.end());
  request.built_in = only_offered(agent::tool_namespaces(catalog, tools::Placement::kSystem), step.made_here);
  request.further = only_offered(agent::tool_namespaces(catalog, tools::Placement::kDeveloper), step.made_here);
}

OpenTools::OpenTools(
    Services& services, const BuiltInTools& tools, const ChatRequest& request, const Prompt& prompt, const std::string& owner, bool stored,
    agent::EventSink sink, std::stop_token stop
)
    : container_(services.tools.take(tools.container, prompt.steps, owner)), stored_(stored), is_new_(container_->steps.empty()) {
  agent::ServedTurn::Options options;
  options.offered = tools.offered;
  options.info = {.task = task_of(request), .model = services.model.name(), .params = "{}", .sandbox = services.tools.host()->sandbox_level()};
  options.config = container_->box->config();
  int& calls_max = options.config.limits.calls_max;
  if (tools.calls_max) calls_max = calls_max > 0 ? std::min(calls_max, *tools.calls_max) : *tools.calls_max;
  options.sink = [&metrics = services.metrics, sink = std::move(sink)](const agent::Event& event) {
    count_event(metrics, event);
    if (sink) sink(event);
  };
  options.stop = std::move(stop);
  options.config.trace = std::make_shared<agent::Trace>(/*exported=*/false);
  options.config.trace->set_parent(tools.traceparent);
  turn_ = std::make_unique<agent::ServedTurn>(
      container_->box->tools(), ledger(services), run(services), services.renderer, prompt.has_functions, std::move(options)
  );
}

OpenTools::~OpenTools() {
  turn_.reset();
  if (desk_ != nullptr) desk_->give_back(held_);
  if (!done_ && is_new_) container_.close();
}

agent::ServedRun& OpenTools::run(Services& services) {
  if (!stored_) return scratch_run_;
  agent::ServedRun& kept = container_->run;
  if (kept.id.empty()) return kept;
  if (!services.desk.take(kept.id)) {
    kept = {};
  } else {
    desk_ = &services.desk;
    held_ = kept.id;
  }
  return kept;
}

store::Ledger& OpenTools::ledger(const Services& services) {
  std::unique_ptr<store::Ledger>& kept = stored_ ? container_->ledger : scratch_;
  if (kept == nullptr) kept = store::Ledger::open(stored_ ? services.tools.host()->ledger() : ":memory:").value_or_throw();
  return *kept;
}

std::shared_ptr<const tools::CitablePages> OpenTools::pages() const {
  return {std::shared_ptr<const void>(), &turn_->pages()};
}

std::string OpenTools::file(const std::string& path) {
  constexpr std::size_t kBytesMax = std::size_t{4} << 20;
  auto found = (stored_ ? container_->ledger : scratch_)->session_file(turn_->run_id(), path);
  return found && found->bytes.size() <= kBytesMax ? std::move(found->bytes) : std::string();
}

void OpenTools::done(std::string step_key) {
  done_ = true;
  container_->steps.push_back(std::move(step_key));
}

}  // namespace toccata::server
