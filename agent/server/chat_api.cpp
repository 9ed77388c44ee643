#include "agent/server/chat_api.h"

#include "agent/server/built_in_tools.h"
#include "agent/server/chat_objects.h"
#include "agent/server/logprob_json.h"
#include "agent/server/request_fields.h"
#include "agent/server/url_citation.h"
#include "core/base/calendar.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

using Finish = StepOutcome::Finish;

struct ChatCall {
  ChatRequest request;
  StepOptions step;
  BuiltInTools tools;  // that the server runs
  std::string owner;   // who asks
  int n = 1;
  bool store = false;  // calls that the server makes stand in the ledger
  bool stream = false, include_usage = false, logprobs = false, show_reasoning = true;
  bool wants_json = false;
};

// --- Reading -------------------------------------------------------------------------------------------------------

void read_tools(const Json& body, ChatCall& call) {
  if (const Json* tools = array_field(body, "tools")) {
    for (const Json& tool : *tools) {
      if (!tool.is_object()) throw ApiError::bad("tools", "a tool must be an object");
      // Types this API does not know are left out, as clients send many.
      if (const Json* function = object_field(tool, "function")) {
        call.request.functions.push_back(read_function(*function, "parameters", "tools"));
        if (bool_field(*function, "strict", false)) call.request.strict_functions.insert(call.request.functions.back().name);
      }
    }
  }
  const Json* choice = field(body, "tool_choice");
  if (choice == nullptr || *choice == "auto") return;
  if (*choice == "none") {
    call.request.functions.clear();
    call.tools.offered.clear();
    return;
  }
  if (call.request.functions.empty()) throw ApiError::bad("tool_choice", "tool_choice asks for a call, but no function is declared");
  std::string name;
  if (choice->is_object()) {
    const Json* function = object_field(*choice, "function");
    name = function != nullptr ? string_field(*function, "name").value_or("") : "";
    bool known = false;
    for (const auto& f : call.request.functions) known |= f.name == name;
    if (!known) throw ApiError::bad("tool_choice", "tool_choice names '" + name + "', which is not declared");
  } else if (*choice == "required") {
    if (call.request.functions.size() == 1) name = call.request.functions[0].name;
  } else {
    throw ApiError::bad("tool_choice", "tool_choice must be none, auto, required or {\"type\": \"function\", \"function\": {\"name\"}}");
  }
  call.step.must_call = name;
}

void read_search(const Json& body, const Services& services, ChatCall& call) {
  if (object_field(body, "web_search_options") == nullptr) return;
  (void)read_built_in({{"type", "web_search"}}, services, call.tools);
  if (call.tools.off.empty()) return;
  throw ApiError(
      400, "'web_search_options' asks for searches, which are not switched on here; whoever runs the server does so with --api-tools --tools browser",
      "tool_not_enabled", "web_search_options"
  );
}

std::string reasoning_of(const Json& message) {
  for (const char* key : {"reasoning", "reasoning_content", "thinking"}) {
    const Json* value = field(message, key);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
  }
  return {};
}

void read_assistant(
    const Json& message, ChatRequest& request, std::map<std::string, std::string>& name_of_call
) {
  AssistantStep step;
  step.reasoning = reasoning_of(message);
  step.text = read_text(field(message, "content"), "messages");
  if (const Json* calls = array_field(message, "tool_calls")) {
    for (const Json& call : *calls) {
      const Json* function = call.is_object() ? object_field(call, "function") : nullptr;
      if (function == nullptr) throw ApiError::bad("messages", "a tool call needs a 'function'");
      const std::string name = "functions." + string_field(*function, "name").value_or("");
      name_of_call[string_field(call, "id").value_or("")] = name;
      step.calls.push_back({name, string_field(*function, "arguments").value_or("{}")});
    }
  }
  request.turns.emplace_back(std::move(step));
}

void read_messages(const Json& body, ChatRequest& request) {
  const Json* messages = array_field(body, "messages");
  if (messages == nullptr) throw ApiError::bad("messages", "'messages' is missing; expected an array");
  std::map<std::string, std::string> name_of_call;
  for (const Json& message : *messages) {
    if (!message.is_object()) throw ApiError::bad("messages", "a message must be an object");
    const std::string role = string_field(message, "role").value_or("");
    if (role == "assistant") {
      read_assistant(message, request, name_of_call);
      continue;
    }
    std::string text = read_text(field(message, "content"), "messages");
    if (role == "system" || role == "developer") {
      if (!request.turns.empty()) {
        request.turns.emplace_back(DeveloperText{std::move(text)});
      } else {
        request.instructions += (request.instructions.empty() ? "" : "\n\n") + text;
      }
    } else if (role == "user") {
      request.turns.emplace_back(UserText{std::move(text)});
    } else if (role == "tool" || role == "function") {
      const std::string id = string_field(message, "tool_call_id").value_or("");
      const auto known = name_of_call.find(id);
      std::string name = known != name_of_call.end()
                             ? known->second
                             : "functions." + string_field(message, "name").value_or("unknown");
      request.turns.emplace_back(ToolText{std::move(name), std::move(text)});
    } else {
      throw ApiError::bad("messages", "unknown role '" + role + "'; expected system, developer, user, assistant or tool");
    }
  }
}

void read_format(const Json& body, ChatCall& call) {
  const Json* format = object_field(body, "response_format");
  if (format == nullptr) return;
  const std::string type = string_field(*format, "type").value_or("text");
  if (type == "text") return;
  call.wants_json = true;
  if (type == "json_object") {
    call.request.response_format = "{\"type\":\"object\"}";
  } else if (type == "json_schema") {
    const Json* named = object_field(*format, "json_schema");
    const Json* schema = named != nullptr ? field(*named, "schema") : nullptr;
    if (schema == nullptr) throw ApiError::bad("response_format", "json_schema needs a 'schema'");
    call.request.response_format = dump(*schema);
    call.request.strict_format = bool_field(*named, "strict", false);
  } else {
    throw ApiError::bad("response_format", "type is '" + type + "', expected text, json_object or json_schema");
  }
}

ChatCall read_chat(const HttpRequest& request, const Services& services) {
  const Json body = parse_object(request.body);
  check_model(body, services);
  ChatCall call;
  call.owner = owner_of(request);
  call.store = bool_field(body, "store", false) && !services.options.archive.empty();
  call.request.effort = services.options.effort;
  if (services.options.today) call.request.current_date = today();
  call.show_reasoning = !services.options.hide_reasoning && bool_field(body, "include_reasoning", true);
  if (auto effort = string_field(body, "reasoning_effort")) {
    call.request.effort = read_effort(*effort, "reasoning_effort");
  }
  if (const Json* reasoning = object_field(body, "reasoning")) {
    if (auto effort = string_field(*reasoning, "effort")) call.request.effort = read_effort(*effort, "reasoning");
    if (bool_field(*reasoning, "exclude", false)) call.show_reasoning = false;
  }
  read_messages(body, call.request);
  read_search(body, services, call);
  read_tools(body, call);
  read_format(body, call);
  call.step.sampling = read_sampling(body, services);
  call.step.penalties = read_penalties(body, services);
  call.step.sampling.n_top = read_n_top(body, "top_logprobs", services);
  call.step.stop_strings = read_stop(body);
  call.step.max_tokens = integer_field(body, "max_completion_tokens", 1, INT32_MAX)
                             .value_or(integer_field(body, "max_tokens", 1, INT32_MAX).value_or(0));
  for (const auto& f : call.request.functions) call.step.recipients.push_back("functions." + f.name);
  declare(call.tools, services, call.request, call.step);
  call.step.pages = pages_of(call.request);
  call.step.constraint = services.masks.of(call.request, call.step.must_call);
  if (!call.step.made_here.empty()) call.step.later_constraint = services.masks.of(call.request, std::nullopt);
  call.n = static_cast<int>(integer_field(body, "n", 1, 64).value_or(1));
  call.stream = bool_field(body, "stream", false);
  if (const Json* options = object_field(body, "stream_options")) {
    call.include_usage = bool_field(*options, "include_usage", false);
  }
  call.logprobs = bool_field(body, "logprobs", false) && services.model.capabilities().logprobs;
  return call;
}

// --- Writing -------------------------------------------------------------------------------------------------------

// As llama-server writes them; user interfaces show them.
Json timings_of(const Counts& counts) {
  const auto per_second = [](std::int64_t n, double s) { return s > 0 ? static_cast<double>(n) / s : 0.0; };
  return {
      {"cache_n", counts.cached},
      {"prompt_n", counts.prompt - counts.cached},
      {"prompt_ms", counts.prefill_s * 1000},
      {"prompt_per_second", per_second(counts.prompt - counts.cached, counts.prefill_s)},
      {"predicted_n", counts.output},
      {"predicted_ms", counts.decode_s * 1000},
      {"predicted_per_second", per_second(counts.output, counts.decode_s)}};
}

const char* finish_reason(Finish finish) {
  if (finish == Finish::kCalls) return "tool_calls";
  if (finish == Finish::kLength) return "length";
  return "stop";
}

// Gathers one choice, and streams it when there is a stream.
class ChatChoice : public StepListener {
 public:
  ChatChoice(const Services& services, const ChatCall& call, Exchange* stream, Json head, int index)
      : services_(services), call_(call), stream_(stream), head_(std::move(head)), index_(index) {
    if (stream_ != nullptr) send({{"role", "assistant"}, {"content", ""}});
  }

  void started(MessageKind kind, const std::string& recipient) override {
    if (kind == MessageKind::kFinal || kind == MessageKind::kPreamble) separator_due_ = !content_.empty();
    is_made_ = kind == MessageKind::kCall && call_.step.makes_call(recipient);
    if (kind != MessageKind::kCall || is_made_) return;
    std::string name = recipient;
    if (name.starts_with("functions.")) name = name.substr(10);
    const std::string id = make_id("call_");
    calls_.push_back({{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", ""}}}});
    if (stream_ == nullptr) return;
    Json entry = calls_.back();
    entry["index"] = calls_.size() - 1;
    send({{"tool_calls", Json::array({entry})}});
  }

  void text(MessageKind kind, std::string_view delta, const std::vector<TokenLogprob>& logprobs) override {
    if (kind == MessageKind::kReasoning) return reasoning(delta);
    if (kind == MessageKind::kCall) return is_made_ ? void() : arguments(delta);
    std::string piece = std::exchange(separator_due_, false) ? "\n\n" : "";
    piece += delta;
    content_ += piece;
    Json entries = Json::array();
    if (call_.logprobs) {
      for (const TokenLogprob& token : logprobs) entries.push_back(logprob_json(token));
      for (const Json& entry : entries) logprobs_.push_back(entry);
    }
    if (stream_ != nullptr) send({{"content", piece}}, call_.logprobs ? Json{{"content", entries}} : Json(nullptr));
  }

  void cited(const agent::Citation& citation, std::string_view link) override {
    const std::int64_t n_before = agent::count_code_points(content_) + (separator_due_ ? 2 : 0);
    annotations_.push_back({{"type", "url_citation"}, {"url_citation", url_citation(citation, n_before, link)}});
    if (stream_ != nullptr) send({{"annotations", Json::array({annotations_.back()})}});
  }

  void done(MessageKind, const std::string&, bool) override {}

  void end(const StepOutcome& outcome) {
    finish_ = finish_reason(outcome.finish);
    if (stream_ != nullptr) send(Json::object(), nullptr, finish_);
  }

  Json whole() const {
    Json message = {{"role", "assistant"}, {"content", content_.empty() && !calls_.empty() ? Json(nullptr) : Json(content_)}};
    if (call_.show_reasoning && !reasoning_.empty()) add_reasoning(message, reasoning_);
    if (!annotations_.empty()) message["annotations"] = annotations_;
    if (!calls_.empty()) message["tool_calls"] = calls_;
    Json choice = {{"index", index_}, {"message", message}, {"logprobs", nullptr}, {"finish_reason", finish_}};
    if (call_.logprobs) choice["logprobs"] = {{"content", logprobs_}};
    if (call_.wants_json && calls_.empty()) choice["format_valid"] = is_json(content_);
    return choice;
  }

 private:
  void add_reasoning(Json& to, std::string_view text) const {
    const std::string& name = services_.options.reasoning_field;
    if (name != "reasoning_content") to["reasoning"] = text;
    if (name != "reasoning") to["reasoning_content"] = text;
  }
  void reasoning(std::string_view delta) {
    reasoning_ += delta;
    if (stream_ == nullptr || !call_.show_reasoning) return;
    Json piece = Json::object();
    add_reasoning(piece, delta);
    send(std::move(piece));
  }
  void arguments(std::string_view delta) {
    auto& function = calls_.back()["function"];
    function["arguments"] = function["arguments"].get<std::string>() + std::string(delta);
    if (stream_ == nullptr) return;
    send({{"tool_calls", Json::array({{{"index", calls_.size() - 1}, {"function", {{"arguments", delta}}}}})}});
  }
  void send(Json delta, Json logprobs = nullptr, const char* finish = nullptr) {
    Json chunk = head_;
    chunk["choices"] = Json::array(
        {{{"index", index_},
          {"delta", std::move(delta)},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", finish != nullptr ? Json(finish) : Json(nullptr)}}}
    );
    stream_->send(sse(chunk));
  }

  const Services& services_;
  const ChatCall& call_;
  Exchange* stream_;
  const Json head_;
  const int index_;
  std::string content_, reasoning_;
  Json calls_ = Json::array(), logprobs_ = Json::array(), annotations_ = Json::array();
  bool separator_due_ = false;
  bool is_made_ = false;  // the open call is the server's own, which this protocol does not show
  const char* finish_ = "stop";
};

void serve_chat(Services& services, Exchange& exchange, ChatCall& call) {
  auto prompt = build_prompt(call.request, services.renderer, services.memory);
  if (!prompt) throw api_error(prompt.error());
  Json head = head_of(services, make_id("chatcmpl-"), call.stream ? "chat.completion.chunk" : "chat.completion");
  const auto open_tools = [&]() -> std::unique_ptr<OpenTools> {
    if (call.step.made_here.empty()) return nullptr;
    return std::make_unique<OpenTools>(services, call.tools, call.request, *prompt, call.owner, call.store, agent::EventSink(), exchange.stop());
  };
  std::unique_ptr<OpenTools> tools = open_tools();  // before the stream: it may have to be refused
  if (call.stream) exchange.start_stream("text/event-stream");
  Counts counts;
  Json choices = Json::array();
  for (int i = 0; i < call.n; ++i) {
    if (i > 0) tools = open_tools();
    if (tools) call.step.pages = tools->pages();
    ChatChoice choice(services, call, call.stream ? &exchange : nullptr, head, i);
    Counts one;
    const StepOutcome outcome = run_prompt(services, *prompt, call.step, choice, exchange.stop(), one, tools ? &tools->turn() : nullptr);
    if (tools) tools->done(step_key(*prompt, outcome.step));
    if (i > 0) one.prompt = one.cached = 0;  // the prompt counts once
    counts.prompt += one.prompt;
    counts.cached += one.cached;
    counts.output += one.output;
    counts.reasoning += one.reasoning;
    counts.prefill_s += one.prefill_s;
    counts.decode_s += one.decode_s;
    choice.end(outcome);
    if (!call.stream) choices.push_back(choice.whole());
    ++call.step.sampling.seed;
  }
  const Json figures = {{"usage", usage_of(counts)}, {"timings", timings_of(counts)}};
  finish_answer(exchange, std::move(head), std::move(choices), figures, call.stream, call.include_usage);
}

}  // namespace

void chat_completions(Services& services, const std::shared_ptr<Exchange>& exchange) {
  auto call = std::make_shared<ChatCall>(read_chat(exchange->request(), services));
  call->step.traceparent = call->tools.traceparent = traceparent_of(exchange->request());
  submit(
      services, exchange, [&services, exchange, call] { serve_chat(services, *exchange, *call); },
      call->stream ? chat_stream_error : std::function<std::string(const ApiError&)>{}
  );
}

HttpReply render_chat(Services& services, const HttpRequest& request) {
  const ChatCall call = read_chat(request, services);
  auto prompt = build_prompt(call.request, services.renderer, services.memory);
  if (!prompt) throw api_error(prompt.error());
  const auto bytes = services.renderer.tokenizer().decode_bytes(prompt->tokens);
  return {.body = dump({{"tokens", prompt->tokens}, {"count", prompt->tokens.size()}, {"text", bytes ? *bytes : ""}})};
}

}  // namespace toccata::server
