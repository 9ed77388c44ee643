#include "agent/cli/mcp_toolbox.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "agent/cli/project_notes.h"
#include "agent/cli/sandbox_setup.h"
#include "agent/loop/watchdog.h"
#include "agent/mcp/content.h"
#include "core/base/image_type.h"
#include "core/base/json.h"
#include "core/base/shorten.h"
#include "core/tokenizer/tokenizer.h"
#include "tools/files/files_tool.h"
#include "tools/session_network.h"

namespace toccata::cli {
namespace {

using mcp::Call;
using mcp::CallResult;
using mcp::Json;
using mcp::ToolInfo;
using tools::mcp::excerpt;

constexpr std::size_t kTextMax = std::size_t{64} << 10;      // bytes of one result
constexpr unsigned kRunsAtOnce = 4;  // each has an interpreter and a token log of its own
constexpr std::size_t kImagesMax = 8;                        // of one result
constexpr std::size_t kImageBytesMax = std::size_t{4} << 20;  // of these together
constexpr std::size_t kLinksMax = 32;
constexpr std::size_t kListedMax = 1000;  // resources
constexpr std::chrono::milliseconds kOutputPause{100};  // between two progress messages about output
constexpr std::string_view kScheme = "toccata://", kDataFolder = "/mnt/data/", kOwnSession = "default";

constexpr const char* kPythonText =
    "Runs Python in a sandbox without network and returns what it prints and the value of the last expression. Variables, "
    "imports and files stay from call to call, as in a notebook. The current folder is /mnt/data; pictures that are saved "
    "there come back with the result, other files as links.";
constexpr const char* kRunText =
    "Gives a task to an agent that works on its own, with its own model and tools, and returns its final answer. Takes "
    "seconds to minutes. The agent knows nothing of this conversation: the prompt must hold all it needs. With run_id it "
    "goes on with an earlier run, which it remembers.";
constexpr const char* kRunSchema = R"({
  "type": "object",
  "properties": {
    "prompt": {"type": "string", "description": "the task"},
    "run_id": {"type": "string", "description": "an earlier run to go on with"},
    "reasoning": {"type": "string", "enum": ["low", "medium", "high"]}
  },
  "required": ["prompt"],
  "additionalProperties": false
})";
constexpr const char* kRunOutput = R"({
  "type": "object",
  "properties": {
    "answer": {"type": "string"},
    "run_id": {"type": "string"},
    "terminal_reason": {"type": "string", "description": "\"final\", or why there is no answer"},
    "input_tokens": {"type": "integer"},
    "output_tokens": {"type": "integer"}
  },
  "required": ["answer", "run_id", "terminal_reason"]
})";

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "browser.search" as clients' models can call it.
std::string mcp_name(std::string_view recipient) {
  if (recipient.starts_with("functions.")) recipient.remove_prefix(10);
  std::string name(recipient);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string title_of(std::string_view name) {
  const std::map<std::string_view, std::string_view> known = {
      {"python", "Run Python"},        {"shell", "Run a command"},       {"run", "Run an agent"},
      {"browser_search", "Search"},    {"browser_open", "Open a page"},  {"browser_find", "Find in a page"},
      {"files_read", "Read a file"},   {"files_list", "List a folder"},  {"files_glob", "Find files"},
      {"files_grep", "Search files"},  {"files_write", "Write a file"},  {"files_edit", "Edit a file"}};
  const auto found = known.find(name);
  return std::string(found == known.end() ? name : found->second);
}

std::string with_session(const std::string& schema) {
  Json json = schema.empty() ? Json{{"type", "object"}} : json_from_valid<Json>(schema);
  json["properties"]["session"] = {
      {"type", "string"}, {"description", "a name for a separate state of this tool; leave it out to go on with the usual one"}};
  return json_text(json);
}

std::optional<std::string> text_of(const Json& arguments, const char* name) {
  const auto found = arguments.find(name);
  if (found == arguments.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

bool is_session_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
}

// Null for a name that is none.
std::optional<std::string> session_of(const Json& arguments) {
  const auto given = arguments.find("session");
  if (given == arguments.end() || given->is_null()) return std::string(kOwnSession);
  if (!given->is_string() || !is_session_name(given->get_ref<const std::string&>())) return std::nullopt;
  return given->get<std::string>();
}

// The client is what follows the first '/': none stands in a session's name.
std::string scope_of(const std::string& client, const std::string& session) { return session + "/" + client; }

// Looks at files of the workspace only: needs no state, and so no turn.
bool reads_workspace(const std::string& tool, const Json& arguments) {
  if (tool != "files_read" && tool != "files_list" && tool != "files_glob" && tool != "files_grep") return false;
  return !arguments.contains("session") && !text_of(arguments, "path").value_or("").starts_with("/mnt/data");
}

CallResult failed(const std::string& text) { return {Json::array({mcp::text_block(text)}), /*is_error=*/true}; }

std::string uri_of(const std::string& session, const std::string& path) {
  return std::string(kScheme) + session + std::string(kDataFolder) + mcp::uri_path(path);
}

struct ResourceName {
  std::string session, path;
};
std::optional<ResourceName> parse_uri(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const auto slash = uri.find('/');
  if (slash == std::string_view::npos || !uri.substr(slash).starts_with(kDataFolder)) return std::nullopt;
  const auto path = mcp::from_uri_path(uri.substr(slash + kDataFolder.size()));
  ResourceName name{std::string(uri.substr(0, slash)), path.value_or("")};
  if (name.path.empty() || !is_session_name(name.session)) return std::nullopt;
  return name;
}

// One line for whoever waits for a run; empty for events that are not worth one.
std::string progress_line(const agent::Event& event) {
  if (const auto* started = std::get_if<agent::ItemStarted>(&event)) {
    if (const auto* command = std::get_if<agent::CommandItem>(&started->item.details)) return "runs: " + excerpt(command->command);
    if (const auto* call = std::get_if<agent::ToolCallItem>(&started->item.details)) {
      return "calls " + call->server + "." + call->tool + " " + excerpt(call->arguments);
    }
    if (const auto* search = std::get_if<agent::WebSearchItem>(&started->item.details)) return "searches: " + excerpt(search->query);
  }
  if (const auto* done = std::get_if<agent::ItemCompleted>(&event)) {
    if (const auto* thought = std::get_if<agent::ReasoningItem>(&done->item.details)) return "thinks: " + excerpt(thought->text);
    if (const auto* message = std::get_if<agent::AgentMessageItem>(&done->item.details)) {
      return (message->phase == agent::AgentMessageItem::Phase::kFinal ? "answers: " : "says: ") + excerpt(message->text);
    }
    if (const auto* notice = std::get_if<agent::NoticeItem>(&done->item.details)) return "notice: " + excerpt(notice->message);
  }
  return {};
}

}  // namespace

struct McpToolbox::Kept {
  std::string scope;
  AgentSetup setup;
  int n_users = 0;
};

class McpToolbox::Use {
 public:
  Use(McpToolbox& box, std::shared_ptr<Kept> kept) : box_(box), kept_(std::move(kept)) {}
  ~Use() {
    const std::lock_guard lock(box_.mutex_);
    if (kept_) --kept_->n_users;
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  AgentSetup& setup() const { return kept_->setup; }
  // Null when nothing has run in it yet.
  sandbox::Session* session() const { return kept_ && kept_->setup.slot ? kept_->setup.slot->session() : nullptr; }

 private:
  McpToolbox& box_;
  std::shared_ptr<Kept> kept_;
};

McpToolbox::McpToolbox(AgentOptions options, std::vector<std::string> run_tools, std::size_t sessions_max, const Environment& env)
    : options_(std::move(options)), run_options_(options_), sessions_max_(sessions_max), env_(env) {
  run_options_.tools = std::move(run_tools);
  const bool offers_run = std::erase(options_.tools, "run") > 0;
  if (std::erase(options_.tools, "skills") > 0) {
    skills_ = tools::SkillsTool::open(skill_folders(std::filesystem::current_path(), env.config_home)).value_or_throw();
  }
  for (const std::string& name : options_.tools) {
    if (!has({"python", "browser", "files", "shell"}, name)) {
      throw Exception(ErrorCode::kInvalidArgument, "'" + name + "' cannot be offered; expected --tools of python, browser, files, shell, skills, run");
    }
  }
  if (has(options_.tools, "python") || has(options_.tools, "shell")) {
    sandbox_ = std::make_unique<sandbox::Sandbox>(make_sandbox(options_, env_));
    warn_if_weak(*sandbox_);
  }
  const AgentSetup setup = set_up_tools(options_, env_, sandbox_.get());
  for (const auto& tool : setup.tools.tools()) describe(*tool);
  if (!offers_run) return;
  ToolInfo run;
  run.name = "run";
  run.title = title_of("run");
  run.description = kRunText;
  run.input_schema = kRunSchema;
  run.output_schema = kRunOutput;
  run.destructive = has(run_options_.tools, "files") || has(run_options_.tools, "patch");
  run.open_world = (has(run_options_.tools, "browser") || !options_.sandbox_net.empty()) && !options_.offline;
  run.takes_long = true;
  infos_.push_back(std::move(run));
  recipients_.emplace_back();
}

McpToolbox::~McpToolbox() = default;

void McpToolbox::describe(const tools::Tool& tool) {
  const tools::ToolSpec& spec = tool.spec();
  const bool reads = spec.effect == tools::Effect::kPure;
  const auto add = [&](const std::string& recipient, const std::string& description, const std::string& schema) {
    ToolInfo info;
    info.name = mcp_name(recipient);
    info.title = title_of(info.name);
    info.description = description;
    const bool has_state = spec.name_space != "files" || sandbox_ != nullptr;
    info.input_schema = has_state ? with_session(schema) : schema;
    // A browser changes nothing but what it shows.
    info.read_only = reads || spec.name_space == "browser";
    info.destructive = !info.read_only;
    info.idempotent = reads;
    info.open_world = spec.reaches_out || (spec.name_space == "browser" && !options_.offline);
    info.takes_long = !reads;
    infos_.push_back(std::move(info));
    recipients_.push_back(recipient);
  };
  if (spec.functions.empty()) {
    const std::string notes = sandbox_ == nullptr ? "" : sandbox_notes(*sandbox_);
    const std::string text = spec.reaches_out ? tools::told_of_network(kPythonText) : kPythonText;
    add(spec.name_space, text + (notes.empty() ? notes : "\n\n" + notes), R"({"type":"object","properties":{"code":{"type":"string"}},"required":["code"],"additionalProperties":false})");
  }
  for (const tools::FunctionSpec& function : spec.functions) {
    // What holds for the whole namespace is told with the function that comes first in use.
    const bool leads = &function == &spec.functions.front() && spec.functions.size() > 1;
    add(spec.name_space + "." + function.name, leads ? function.description + "\n" + spec.description : function.description, function.parameters);
  }
}

std::string McpToolbox::lane(const Call& call) const {
  if (call.tool == "run") return "run:" + std::to_string(n_runs_++ % kRunsAtOnce);
  if (reads_workspace(call.tool, call.arguments)) return {};
  const std::string session = session_of(call.arguments).value_or("");
  return (call.tool.starts_with("browser_") ? "browser:" : "session:") + scope_of(call.client, session);
}

std::shared_ptr<McpToolbox::Kept> McpToolbox::take(const std::string& scope, bool make) {
  std::shared_ptr<Kept> evicted;  // ends behind the lock: its interpreter takes a while
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) { return kept->scope == scope; });
  if (found == kept_.end() && !make) return nullptr;
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
  } else {
    if (kept_.size() >= sessions_max_) {
      const auto idle = std::find_if(kept_.rbegin(), kept_.rend(), [](const auto& kept) { return kept->n_users == 0; });
      if (idle == kept_.rend()) {
        throw Exception(ErrorCode::kResourceExhausted, "all " + std::to_string(sessions_max_) + " sessions are at work; try again later");
      }
      evicted = *idle;
      kept_.erase(std::next(idle).base());
    }
    auto kept = std::make_shared<Kept>();
    kept->scope = scope;
    kept->setup = set_up_tools(options_, env_, sandbox_.get());
    kept_.push_front(std::move(kept));
  }
  ++kept_.front()->n_users;
  return kept_.front();
}

CallResult McpToolbox::call(const Call& call) {
  if (call.tool == "run") return run_agent(call);
  const auto info = std::find_if(infos_.begin(), infos_.end(), [&](const ToolInfo& tool) { return tool.name == call.tool; });
  return call_tool(call, recipients_[static_cast<std::size_t>(info - infos_.begin())]);
}

CallResult McpToolbox::call_tool(const Call& call, const std::string& recipient) {
  const auto session = session_of(call.arguments);
  if (!session) return failed("`session` must be a name of letters, digits, '_' and '-'");
  tools::ToolCall request{recipient, "", ""};
  Json arguments = call.arguments;
  arguments.erase("session");
  if (call.tool == "python") {
    const auto code = text_of(arguments, "code");
    if (!code || arguments.size() != 1) return failed("expected the argument `code`, a string with Python source, and no other but `session`");
    request.arguments = *code;
  } else {
    request.arguments = tools::mcp::to_text(arguments);
  }
  auto last = std::chrono::steady_clock::time_point{};
  request.on_output = [&](std::string_view text) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last < kOutputPause) return;
    last = now;
    call.progress(excerpt(text));
  };

  agent::Watchdog watchdog(call.stop);
  const auto make = [&](tools::Tool& tool, const Use* state) {
    const agent::Watchdog::Watch watch = watchdog.watch(agent::Watchdog::Clock::now() + tool.spec().timeout);
    const tools::ToolResult done = tool.call(request, watch.token());
    CallResult result;
    result.is_error = done.status != tools::ToolStatus::kOk;
    result.content.push_back(mcp::text_block(shorten(tokenizer::to_valid_utf8(done.content), kTextMax, "")));
    if (state != nullptr && state->session() != nullptr) add_artifacts(result, done.metadata, *state->session(), *session);
    return result;
  };
  if (reads_workspace(call.tool, call.arguments)) {
    const auto places = tools::FilePlaces::open(options_.workspace, nullptr).value_or_throw();
    tools::FilesTool reader(tools::FilesTool::Half::kReading, places);
    return make(reader, nullptr);
  }
  const Use kept(*this, take(scope_of(call.client, *session), /*make=*/true));
  return make(*kept.setup().tools.find(recipient), &kept);
}

void McpToolbox::add_artifacts(CallResult& result, const std::string& metadata, sandbox::Session& session, const std::string& name) const {
  const Json json = json_from<Json>(metadata);
  const Json artifacts = json.is_object() ? json.value("artifacts", Json()) : Json();
  std::size_t n_images = 0, n_links = 0, bytes_left = kImageBytesMax;
  for (const Json& artifact : artifacts) {
    const std::string path = artifact.value("name", "");
    const auto size = artifact.value("size", std::uint64_t{0});
    if (n_images < kImagesMax && size > 0 && size <= bytes_left) {
      const Result<std::string> bytes = session.download(path);
      const std::string type = bytes && bytes->size() <= bytes_left ? image_type(*bytes) : "";
      if (!type.empty()) {
        ++n_images;
        bytes_left -= bytes->size();
        result.content.push_back(mcp::image_block(*bytes, type));
        continue;
      }
    }
    if (n_links++ < kLinksMax) result.content.push_back(mcp::resource_link(uri_of(name, path), path, size));
  }
}

ServedRuns& McpToolbox::runs() {
  const std::lock_guard lock(runs_mutex_);
  if (!runs_) {
    const AgentOptions& o = run_options_;
    runs_ = std::make_unique<ServedRuns>(o, env_, choose_model(o.model, {o.device, o.precision, o.kv, o.prefix_cache_mib, o.prefix_folder}, o.offline, env_));
  }
  return *runs_;
}

CallResult McpToolbox::run_agent(const Call& call) {
  server::RunOrder order;
  order.input = text_of(call.arguments, "prompt").value_or("");
  order.run = text_of(call.arguments, "run_id").value_or("");
  order.reasoning = text_of(call.arguments, "reasoning").value_or("");
  if (order.input.empty()) return failed("expected the argument `prompt`, a string with the task");
  if (!order.reasoning.empty() && !has({"low", "medium", "high"}, order.reasoning)) return failed("`reasoning` is low, medium or high");
  const auto tell = [&](const agent::Event& event) {
    const std::string line = progress_line(event);
    if (line.empty()) return;
    call.progress(line);
    call.log("info", line);
  };
  const agent::RunOutcome outcome = runs().run(order, tell, call.stop);
  CallResult result;
  result.is_error = outcome.exit_code != 0;
  std::string text = outcome.final;
  if (result.is_error) text = "The run ended without an answer (" + outcome.terminal_reason + "): " + outcome.message + (text.empty() ? "" : "\n" + text);
  result.content.push_back(mcp::text_block(text));
  result.structured = Json{
      {"answer", outcome.final},
      {"run_id", outcome.run_id},
      {"terminal_reason", outcome.terminal_reason},
      {"input_tokens", outcome.usage.input_tokens},
      {"output_tokens", outcome.usage.output_tokens}};
  return result;
}

std::string McpToolbox::resource_lane(const std::string& client, const std::string& uri) const {
  const auto name = parse_uri(uri);
  return "session:" + scope_of(client, name ? name->session : std::string(kOwnSession));
}

Json McpToolbox::list_resources(const std::string& client) {
  Json list = Json::array();
  const Use kept(*this, take(scope_of(client, std::string(kOwnSession)), /*make=*/false));
  sandbox::Session* const session = kept.session();
  if (session == nullptr) return list;  // nothing has run yet
  for (const sandbox::WorkspaceFile& file : session->list_files().value_or_throw()) {
    if (list.size() == kListedMax) break;
    list.push_back({{"uri", uri_of(std::string(kOwnSession), file.path)}, {"name", file.path}, {"size", file.size}});
  }
  return list;
}

Json McpToolbox::resource_templates() const {
  return Json::array({Json{
      {"uriTemplate", "toccata://{session}/mnt/data/{+path}"},
      {"name", "sandbox file"},
      {"description", "A file of the sandbox that python and shell work in; the session is `default` where a call names none."}}});
}

Result<Json> McpToolbox::read_resource(const std::string& client, const std::string& uri) {
  const Error missing{ErrorCode::kNotFound, "no such resource"};
  const auto name = parse_uri(uri);
  if (!name) return missing;
  const Use kept(*this, take(scope_of(client, name->session), /*make=*/false));
  sandbox::Session* const session = kept.session();
  if (session == nullptr) return missing;
  const Result<std::string> bytes = session->download(name->path);
  if (!bytes) return missing;
  return mcp::resource_contents(uri, *bytes);
}

std::vector<std::string> McpToolbox::complete(const std::string& client, const mcp::Completion& what) {
  std::vector<std::string> values;
  const auto offer = [&](const std::string& value) {
    if (value.starts_with(what.value) && !has(values, value)) values.push_back(value);
  };
  if (what.argument == "session") {
    const std::lock_guard lock(mutex_);
    for (const auto& kept : kept_) {
      const auto slash = kept->scope.find('/');
      if (kept->scope.compare(slash + 1, std::string::npos, client) == 0) offer(kept->scope.substr(0, slash));
    }
  } else if (what.argument == "path") {
    // Files of another session would have to wait for their turn in its lane.
    const auto session = what.others.find("session");
    if (session != what.others.end() && session->second != kOwnSession) return values;
    const Use kept(*this, take(scope_of(client, std::string(kOwnSession)), /*make=*/false));
    if (kept.session() == nullptr) return values;
    for (const sandbox::WorkspaceFile& file : kept.session()->list_files().value_or_throw()) offer(file.path);
  }
  return values;
}

// Each skill is a prompt: its text, and what the person wants done with it.
std::vector<mcp::PromptInfo> McpToolbox::prompts() const {
  std::vector<mcp::PromptInfo> prompts;
  if (!skills_) return prompts;
  for (const auto& [name, skill] : skills_->skills()) {
    prompts.push_back({name, name, skill.description, {{"task", "what to do with it", /*required=*/false}}});
  }
  return prompts;
}

Result<Json> McpToolbox::prompt(const std::string& name, const std::map<std::string, std::string>& arguments) {
  const tools::ToolResult read = skills_->call({"skills.read", tools::mcp::to_text(Json{{"name", name}}), ""}, {});
  if (read.status != tools::ToolStatus::kOk) return Error{ErrorCode::kIo, read.content};
  std::string text = shorten(tokenizer::to_valid_utf8(read.content), kTextMax, "");
  if (const auto task = arguments.find("task"); task != arguments.end()) text += "\n\n" + task->second;
  return Json::array({Json{{"role", "user"}, {"content", mcp::text_block(text)}}});
}

void McpToolbox::forget(const std::string& client) {
  std::list<std::shared_ptr<Kept>> gone;
  const std::lock_guard lock(mutex_);
  for (auto it = kept_.begin(); it != kept_.end();) {
    const auto next = std::next(it);
    const std::string& scope = (*it)->scope;
    if (scope.compare(scope.find('/') + 1, std::string::npos, client) == 0) gone.splice(gone.end(), kept_, it);
    it = next;
  }
}

}  // namespace toccata::cli
