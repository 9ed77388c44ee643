#include "agent/server/response_writer.h"

#include <algorithm>

#include "agent/server/logprob_json.h"
#include "agent/server/url_citation.h"

namespace toccata::server {
namespace {

constexpr std::string_view kFunctions = "functions.";

Json output_text(std::string_view text, Json logprobs, Json annotations = Json::array()) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", std::move(annotations)}, {"logprobs", std::move(logprobs)}};
}
Json reasoning_text(std::string_view text) { return {{"type", "reasoning_text"}, {"text", text}}; }

Json usage_of(const Counts& counts) {
  return {
      {"input_tokens", counts.prompt},
      // All that was read stays for the next request.
      {"input_tokens_details", {{"cached_tokens", counts.cached}, {"cache_write_tokens", counts.prompt - counts.cached}}},
      {"output_tokens", counts.output},
      {"output_tokens_details", {{"reasoning_tokens", counts.reasoning}}},
      {"total_tokens", counts.prompt + counts.output}};
}

}  // namespace

FunctionName function_name(const std::string& recipient, const std::vector<std::string>& spaces) {
  if (!recipient.starts_with(kFunctions)) return {"", recipient};
  std::string name = recipient.substr(kFunctions.size());
  for (const std::string& space : spaces) {
    if (name.starts_with(space + ".")) return {space, name.substr(space.size() + 1)};
  }
  return {"", std::move(name)};
}

std::string recipient_of(const FunctionName& function) {
  const std::string& name = function.name;
  if (!function.space.empty()) return std::string(kFunctions) + function.space + "." + name;
  const bool is_built_in = name == "python" || name.starts_with("browser.") || name.starts_with("container.");
  return is_built_in ? name : std::string(kFunctions) + name;
}

ResponseWriter::ResponseWriter(Json response, WriterOptions options, Send send)
    : response_(std::move(response)), options_(std::move(options)), send_(std::move(send)) {}

void ResponseWriter::created() {
  event("response.created", {{"response", response_}});
  event("response.in_progress", {{"response", response_}});
}

// --- Items -----------------------------------------------------------------------------------------------------------

void ResponseWriter::started(MessageKind kind, const std::string& recipient) {
  recipient_ = recipient;
  is_made_ = kind == MessageKind::kCall && options_.makes_calls && !recipient.starts_with(kFunctions);
  if (is_made_) return open_call();
  // Reasoning without a word is no item.
  if (kind != MessageKind::kReasoning) open_item(kind);
}

void ResponseWriter::open_item(MessageKind kind) {
  if (kind == MessageKind::kReasoning) {
    item_ = {{"id", make_id("rs_")}, {"type", "reasoning"}, {"summary", Json::array()}, {"content", Json::array()}};
  } else if (kind == MessageKind::kCall) {
    const FunctionName function = function_name(recipient_, options_.spaces);
    item_ = {
        {"id", make_id("fc_")},
        {"type", "function_call"},
        {"call_id", make_id("call_")},
        {"name", function.name},
        {"arguments", ""}};
    if (!function.space.empty()) item_["namespace"] = function.space;
  } else {
    item_ = {
        {"id", make_id("msg_")},
        {"type", "message"},
        {"role", "assistant"},
        {"phase", kind == MessageKind::kPreamble ? "commentary" : "final_answer"},
        {"content", Json::array()}};
  }
  item_["status"] = "in_progress";
  logprobs_ = Json::array();
  annotations_ = Json::array();
  n_chars_ = 0;
  event("response.output_item.added", {{"item", item_}});
  if (kind == MessageKind::kReasoning) part("response.content_part.added", reasoning_text(""));
  if (item_["type"] == "message") part("response.content_part.added", output_text("", Json::array()));
}

void ResponseWriter::part(const char* type, Json part) {
  event(type, {{"item_id", item_["id"]}, {"content_index", 0}, {"part", std::move(part)}});
}

void ResponseWriter::text(
    MessageKind kind, std::string_view delta, const std::vector<TokenLogprob>& logprobs
) {
  if (kind == MessageKind::kReasoning && !options_.show_reasoning) return;
  if (is_made_) return call_text(delta);
  if (item_.is_null()) open_item(kind);
  Json fields = {{"item_id", item_["id"]}};
  if (kind == MessageKind::kCall) {
    fields["delta"] = delta;
    return event("response.function_call_arguments.delta", std::move(fields));
  }
  fields["content_index"] = 0;
  fields["delta"] = delta;
  if (kind == MessageKind::kReasoning) return event("response.reasoning_text.delta", std::move(fields));
  n_chars_ += agent::count_code_points(delta);
  Json entries = Json::array();
  if (options_.logprobs) {
    for (const TokenLogprob& token : logprobs) entries.push_back(logprob_json(token));
    for (const Json& entry : entries) logprobs_.push_back(entry);
  }
  fields["logprobs"] = std::move(entries);
  event("response.output_text.delta", std::move(fields));
}

void ResponseWriter::cited(const agent::Citation& citation, std::string_view link) {
  if (item_.is_null()) open_item(MessageKind::kFinal);
  Json annotation = {{"type", "url_citation"}};
  annotation.update(url_citation(citation, n_chars_, link));
  event(
      "response.output_text.annotation.added",
      {{"item_id", item_["id"]}, {"content_index", 0}, {"annotation_index", annotations_.size()}, {"annotation", annotation}}
  );
  annotations_.push_back(std::move(annotation));
}

void ResponseWriter::done(MessageKind kind, const std::string& text, bool whole) {
  if (is_made_) return call_done(text, whole);
  if (item_.is_null()) return;
  Json fields = {{"item_id", item_["id"]}};
  if (kind == MessageKind::kCall) {
    item_["arguments"] = text;
    fields["name"] = item_["name"];
    fields["arguments"] = text;
    event("response.function_call_arguments.done", std::move(fields));
  } else {
    const bool is_reasoning = kind == MessageKind::kReasoning;
    fields["content_index"] = 0;
    fields["text"] = text;
    if (!is_reasoning) fields["logprobs"] = logprobs_;
    event(is_reasoning ? "response.reasoning_text.done" : "response.output_text.done", std::move(fields));
    Json finished = is_reasoning ? reasoning_text(text) : output_text(text, logprobs_, annotations_);
    item_["content"].push_back(finished);
    part("response.content_part.done", std::move(finished));
  }
  close_item(whole ? "completed" : "incomplete");
}

void ResponseWriter::close_item(const char* status) {
  item_["status"] = status;
  event("response.output_item.done", {{"item", item_}});
  response_["output"].push_back(std::exchange(item_, nullptr));
}

// --- Calls that the server makes -------------------------------------------------------------------------------------

// A search has no item before its arguments are whole.
void ResponseWriter::open_call() {
  made_ = tool_kind(recipient_, options_.items);
  if (made_ != ToolKind::kPython && made_ != ToolKind::kMcp) return;
  item_ = begun_item(made_, recipient_, options_.items);
  event("response.output_item.added", {{"item", item_}});
  progress(made_ == ToolKind::kPython ? "code_interpreter_call.in_progress" : "mcp_call.in_progress");
}

void ResponseWriter::call_text(std::string_view delta) {
  if (item_.is_null()) return;
  const char* type = made_ == ToolKind::kPython ? "response.code_interpreter_call_code.delta" : "response.mcp_call_arguments.delta";
  event(type, {{"item_id", item_["id"]}, {"delta", delta}});
}

void ResponseWriter::call_done(const std::string& text, bool whole) {
  if (item_.is_null()) return;
  const bool is_python = made_ == ToolKind::kPython;
  const char* key = is_python ? "code" : "arguments";
  item_[key] = text;
  event(is_python ? "response.code_interpreter_call_code.done" : "response.mcp_call_arguments.done", {{"item_id", item_["id"]}, {key, text}});
  if (!whole) close_item("incomplete");
}

void ResponseWriter::tool(const agent::Event& event) {
  if (const auto* started = std::get_if<agent::ItemStarted>(&event)) call_begins(started->item);
  if (const auto* completed = std::get_if<agent::ItemCompleted>(&event)) call_ends(completed->item);
}

void ResponseWriter::call_begins(const agent::Item& call) {
  if (made_ == ToolKind::kPython && !item_.is_null()) return progress("code_interpreter_call.interpreting");
  if (made_ != ToolKind::kSearch) return;
  item_ = begun_item(made_, recipient_, options_.items);
  item_["action"] = search_action(call, options_.items);
  event("response.output_item.added", {{"item", item_}});
  progress("web_search_call.in_progress");
  progress("web_search_call.searching");
}

void ResponseWriter::call_ends(const agent::Item& call) {
  if (item_.is_null()) return;
  std::string name = "completed";
  agent::ItemStatus status = agent::ItemStatus::kCompleted;
  if (made_ == ToolKind::kPython) {
    const auto& command = std::get<agent::CommandItem>(call.details);
    status = command.status;
    if (options_.items.outputs) item_["outputs"] = interpreter_outputs(command, options_.items);
  } else if (made_ == ToolKind::kSearch) {
    const auto* search = std::get_if<agent::WebSearchItem>(&call.details);
    status = search != nullptr ? search->status : std::get<agent::ToolCallItem>(call.details).status;
    item_["action"] = search_action(call, options_.items);
  } else {
    const auto& result = std::get<agent::ToolCallItem>(call.details);
    status = result.status;
    if (result.result) item_["output"] = *result.result;
    if (result.error) item_["error"] = *result.error;
    if (status == agent::ItemStatus::kFailed) name = "failed";
  }
  const char* kind = made_ == ToolKind::kPython ? "code_interpreter_call." : made_ == ToolKind::kSearch ? "web_search_call." : "mcp_call.";
  item_["status"] = status_name(status);
  progress(kind + name);
  close_item(status_name(status));
}

void ResponseWriter::listed(const std::string& server_label, Json tools) {
  item_ = {{"id", make_id("mcpl_")}, {"type", "mcp_list_tools"}, {"server_label", server_label}, {"tools", Json::array()}, {"error", nullptr}};
  event("response.output_item.added", {{"item", item_}});
  progress("mcp_list_tools.in_progress");
  item_["tools"] = std::move(tools);
  progress("mcp_list_tools.completed");
  event("response.output_item.done", {{"item", item_}});
  response_["output"].push_back(std::exchange(item_, nullptr));
}

void ResponseWriter::sealed(std::string box) {
  item_ = {{"id", make_id("rs_")}, {"type", "reasoning"}, {"summary", Json::array()}, {"content", Json::array()}};
  item_["encrypted_content"] = std::move(box);
  item_["status"] = "in_progress";
  event("response.output_item.added", {{"item", item_}});
  item_["status"] = "completed";
  event("response.output_item.done", {{"item", item_}});
  response_["output"].push_back(std::exchange(item_, nullptr));
}

// --- Ends ------------------------------------------------------------------------------------------------------------

std::string ResponseWriter::end(const StepOutcome& outcome, const Counts& counts) {
  response_["usage"] = usage_of(counts);
  if (outcome.finish == StepOutcome::Finish::kLength) {
    response_["status"] = "incomplete";
    response_["incomplete_details"] = {{"reason", outcome.limit}};
    return last_event("response.incomplete");
  }
  response_["status"] = "completed";
  response_["completed_at"] = unix_time();
  return last_event("response.completed");
}

std::string ResponseWriter::fail(const ApiError& error, bool cancelled) {
  response_["status"] = cancelled ? "cancelled" : "failed";
  const char* fallback = error.status == 429 ? "rate_limit_exceeded" : "server_error";
  response_["error"] = {{"code", error.code.empty() ? fallback : error.code}, {"message", error.what()}};
  return last_event("response.failed");
}

std::vector<NamedItem> ResponseWriter::output() const {
  std::vector<NamedItem> items;
  for (const Json& item : response_["output"]) {
    items.push_back({item["id"].get<std::string>(), std::make_shared<const std::string>(dump(item))});
  }
  return items;
}

// --- Events ----------------------------------------------------------------------------------------------------------

void ResponseWriter::event(const char* type, Json fields) {
  if (!send_) return;
  send_(framed(type, std::move(fields)));
}

std::string ResponseWriter::framed(const char* type, Json fields) {
  Json data = {{"type", type}, {"sequence_number", n_events_++}};
  // All but the events of the whole response belong to the item that is open, which will stand here.
  if (!fields.contains("response")) data["output_index"] = response_["output"].size();
  data.update(fields);
  return sse(data, type);
}

std::string ResponseWriter::last_event(const char* type) {
  return send_ ? framed(type, {{"response", response_}}) : std::string();
}

}  // namespace toccata::server
