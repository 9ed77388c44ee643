#include "agent/model/message_request.h"

#include <algorithm>
#include <deque>

#include "agent/harmony/parser.h"
#include "core/base/json.h"

namespace toccata::agent {
namespace {

using harmony::Message;
using harmony::Role;
using Json = nlohmann::ordered_json;

constexpr const char* kNoResult = "(This call was not made.)";

const char* name_of(harmony::ReasoningEffort effort) {
  switch (effort) {
    case harmony::ReasoningEffort::kLow: return "low";
    case harmony::ReasoningEffort::kMedium: return "medium";
    case harmony::ReasoningEffort::kHigh: return "high";
  }
  return "medium";
}

void add_paragraph(std::string& to, const std::string& text) {
  if (text.empty()) return;
  if (!to.empty()) to += "\n\n";
  to += text;
}

bool is_opening(const Message& message) { return message.role == Role::kSystem || message.role == Role::kDeveloper; }

// A name that endpoints accept, not yet in the table.
std::string function_name(std::string_view name_space, const std::string& function, const FunctionTable& table) {
  std::string name = name_space == "functions" ? function : std::string(name_space) + "_" + function;
  for (char& c : name) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed) c = '_';
  }
  const std::string base = name;
  for (int n = 2; table.named(name) != nullptr; ++n) name = base + "_" + std::to_string(n);
  return name;
}

// One model call of the past with what its tools said, or what somebody else said.
struct Call {
  std::string recipient, id, name, arguments;
};

// The walk over a dialogue that both kinds of body share: calls get ids, results the ids of their calls.
class BodyWriter {
 public:
  explicit BodyWriter(const MessageRequest& request) : request_(request) {}
  virtual ~BodyWriter() = default;

  Json messages() {
    for (const Message& message : request_.dialogue.messages) add(message);
    close_calls();
    flush();
    return std::move(list_);
  }

 protected:
  virtual void put(const char* role, const std::string& text) = 0;
  virtual void put_reasoning(const std::string& text) = 0;
  virtual void put_text(const std::string& text, bool is_final) = 0;
  virtual void put_call(const Call& call) = 0;
  virtual void put_result(const std::string& id, const std::string& text) = 0;
  virtual void flush() {}  // the assistant's step is over

  const MessageRequest& request_;
  Json list_ = Json::array();

 private:
  void add(const Message& message) {
    if (message.role == Role::kAssistant) return add_assistant(message);
    flush();
    if (message.role == Role::kTool && !open_calls_.empty()) {
      const auto named = std::ranges::find(open_calls_, message.name.value_or(""), &Call::recipient);
      const auto answered = named != open_calls_.end() ? named : open_calls_.begin();
      put_result(answered->id, message.text());
      open_calls_.erase(answered);
      are_answered_ = true;
      return;
    }
    close_calls();
    if (message.role == Role::kTool) {  // its call was left out of the log
      put("user", "[" + message.name.value_or("tool") + "] " + message.text());
    } else {
      put(message.role == Role::kUser ? "user" : "system", message.text());
    }
  }

  // Calls that stand one behind the other are those of one answer.
  void add_assistant(const Message& message) {
    const bool is_call = message.recipient && *message.recipient != "all";
    if (!is_call || are_answered_) close_calls();
    if (is_call) {
      const FunctionTable& functions = request_.introduction.functions;
      const DeclaredFunction* function = functions.at(*message.recipient);
      const std::size_t dot = message.recipient->find('.');
      open_calls_.push_back(Call{
          *message.recipient,
          "call_" + std::to_string(++n_calls_),
          function != nullptr ? function->name : message.recipient->substr(dot == std::string::npos ? 0 : dot + 1),
          FunctionTable::to_endpoint(function, message.text())});
      put_call(open_calls_.back());
    } else if (message.channel == "analysis") {
      put_reasoning(message.text());
    } else {
      put_text(message.text(), message.channel != "commentary");
    }
  }

  // Endpoints want a result for every call.
  void close_calls() {
    if (!open_calls_.empty()) flush();
    for (const Call& call : open_calls_) put_result(call.id, kNoResult);
    open_calls_.clear();
    are_answered_ = false;
  }

  std::deque<Call> open_calls_;  // of one answer, without a result so far
  bool are_answered_ = false;    // some of that answer have one
  int n_calls_ = 0;
};

class ChatWriter : public BodyWriter {
 public:
  using BodyWriter::BodyWriter;

 private:
  void put(const char* role, const std::string& text) override { list_.push_back({{"role", role}, {"content", text}}); }
  void put_reasoning(const std::string& text) override { add_paragraph(reasoning_, text); }
  void put_text(const std::string& text, bool is_final) override {
    add_paragraph(text_, text);
    if (is_final) flush();
  }
  void put_call(const Call& call) override {
    calls_.push_back({{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  void put_result(const std::string& id, const std::string& text) override {
    list_.push_back({{"role", "tool"}, {"tool_call_id", id}, {"content", text}});
  }
  void flush() override {
    if (text_.empty() && calls_.empty()) {
      reasoning_.clear();  // alone it is no message
      return;
    }
    Json message = {{"role", "assistant"}, {"content", text_.empty() ? Json(nullptr) : Json(text_)}};
    if (!reasoning_.empty()) message[request_.reasoning_field] = reasoning_;
    if (!calls_.empty()) message["tool_calls"] = std::move(calls_);
    list_.push_back(std::move(message));
    reasoning_.clear();
    text_.clear();
    calls_ = Json::array();
  }

  std::string reasoning_, text_;
  Json calls_ = Json::array();
};

class ResponsesWriter : public BodyWriter {
 public:
  using BodyWriter::BodyWriter;

 private:
  std::string id(const char* prefix) { return prefix + std::to_string(list_.size()); }
  void put(const char* role, const std::string& text) override {
    list_.push_back({{"type", "message"}, {"role", role}, {"content", text}});
  }
  // Held back until something follows it: endpoints refuse reasoning alone.
  void put_reasoning(const std::string& text) override { add_paragraph(reasoning_, text); }
  void write_reasoning() {
    if (reasoning_.empty()) return;
    list_.push_back(
        {{"type", "reasoning"},
         {"id", id("rs_")},
         {"summary", Json::array()},
         {"content", {{{"type", "reasoning_text"}, {"text", reasoning_}}}}}
    );
    reasoning_.clear();
  }
  void put_text(const std::string& text, bool is_final) override {
    write_reasoning();
    list_.push_back(
        {{"type", "message"},
         {"id", id("msg_")},
         {"role", "assistant"},
         {"status", "completed"},
         {"phase", is_final ? "final_answer" : "commentary"},
         {"content", {{{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}}}}}
    );
  }
  void put_call(const Call& call) override {
    write_reasoning();
    list_.push_back(
        {{"type", "function_call"},
         {"id", id("fc_")},
         {"call_id", call.id},
         {"name", call.name},
         {"arguments", call.arguments},
         {"status", "completed"}}
    );
  }
  void put_result(const std::string& id, const std::string& text) override {
    list_.push_back({{"type", "function_call_output"}, {"call_id", id}, {"output", text}});
  }
  void flush() override { reasoning_.clear(); }

  std::string reasoning_;
};

Json function_json(const DeclaredFunction& function) {
  return {{"name", function.name}, {"description", function.description}, {"parameters", function.parameters}};
}

Json tools_json(const FunctionTable& table, MessageApi api) {
  Json tools = Json::array();
  for (const DeclaredFunction& function : table.functions()) {
    Json tool = {{"type", "function"}};
    if (api == MessageApi::kChat) {
      tool["function"] = function_json(function);
    } else {
      tool.update(function_json(function));
      tool["strict"] = false;
    }
    tools.push_back(std::move(tool));
  }
  return tools;
}

}  // namespace

// --- Functions ---------------------------------------------------------------------------------------------------------

FunctionTable::FunctionTable(std::span<const Message> opening) {
  const auto add_all = [&](const std::optional<harmony::ToolNamespaces>& namespaces) {
    if (!namespaces) return;
    for (const auto& [key, name_space] : *namespaces) add(name_space);
  };
  for (const Message& message : opening) {
    for (const harmony::Content& content : message.content) {
      if (const auto* system = std::get_if<harmony::SystemContent>(&content)) add_all(system->tools);
      if (const auto* developer = std::get_if<harmony::DeveloperContent>(&content)) add_all(developer->tools);
    }
  }
}

void FunctionTable::add(const harmony::ToolNamespace& name_space) {
  if (name_space.tools.empty()) {
    const Json code = {{"type", "string"}, {"description", "What to run, as it is."}};
    functions_.push_back(
        {function_name("functions", name_space.name, *this),
         name_space.name,
         name_space.description.value_or(""),
         {{"type", "object"}, {"properties", {{"code", code}}}, {"required", {"code"}}},
         true}
    );
  }
  for (const harmony::ToolDescription& tool : name_space.tools) {
    Json parameters = tool.parameters ? json_from<Json>(*tool.parameters) : Json();
    if (!parameters.is_object()) parameters = {{"type", "object"}, {"properties", Json::object()}};
    functions_.push_back(
        {function_name(name_space.name, tool.name, *this),
         name_space.name + "." + tool.name,
         tool.description,
         std::move(parameters)}
    );
  }
}

const DeclaredFunction* FunctionTable::named(std::string_view name) const {
  const auto found = std::ranges::find(functions_, name, &DeclaredFunction::name);
  return found == functions_.end() ? nullptr : &*found;
}

const DeclaredFunction* FunctionTable::at(std::string_view recipient) const {
  const auto found = std::ranges::find(functions_, recipient, &DeclaredFunction::recipient);
  return found == functions_.end() ? nullptr : &*found;
}

std::string FunctionTable::to_tool(const DeclaredFunction* function, const std::string& arguments) {
  if (function == nullptr || !function->takes_text) return arguments;
  const Json json = json_from<Json>(arguments);
  // gpt-oss likes to write python's code as it is, whatever the schema says.
  if (!json.is_object() || !json.contains("code") || !json["code"].is_string()) return arguments;
  return json["code"].get<std::string>();
}

std::string FunctionTable::to_endpoint(const DeclaredFunction* function, const std::string& arguments) {
  if (function == nullptr || !function->takes_text) return arguments;
  return json_text(Json{{"code", arguments}});
}

// --- The log -----------------------------------------------------------------------------------------------------------

Introduction introduction_of(std::span<const Message> opening) {
  Introduction introduction{.given = true, .functions = FunctionTable(opening), .instructions = {}, .effort = {}};
  const auto usual = harmony::SystemContent::gpt_oss_default();
  const auto describe = [&](const std::optional<harmony::ToolNamespaces>& namespaces) {
    if (!namespaces) return;
    for (const auto& [key, name_space] : *namespaces) {
      if (name_space.tools.empty() || !name_space.description) continue;  // it is the function's description
      add_paragraph(introduction.instructions, "About the functions of " + name_space.name + ": " + *name_space.description);
    }
  };
  for (const Message& message : opening) {
    for (const harmony::Content& content : message.content) {
      if (const auto* system = std::get_if<harmony::SystemContent>(&content)) {
        introduction.effort = system->reasoning_effort;
        if (system->model_identity && system->model_identity != usual.model_identity) {
          add_paragraph(introduction.instructions, *system->model_identity);
        }
        if (system->conversation_start_date) {
          add_paragraph(introduction.instructions, "Current date: " + *system->conversation_start_date);
        }
        describe(system->tools);
      } else if (const auto* developer = std::get_if<harmony::DeveloperContent>(&content)) {
        add_paragraph(introduction.instructions, developer->instructions.value_or(""));
        describe(developer->tools);
      }
    }
  }
  return introduction;
}

Result<Dialogue> read_dialogue(std::span<const Token> log, const harmony::Renderer& renderer, bool introduced) {
  const harmony::ControlTokens& control = renderer.control();
  const auto last_start = std::find(log.rbegin(), log.rend(), control.start);
  const std::size_t n_closed = last_start == log.rend() ? 0 : static_cast<std::size_t>(log.rend() - last_start) - 1;
  const std::span<const Token> tail = log.subspan(n_closed);

  Dialogue dialogue;
  harmony::Parser parser(renderer, {.role = std::nullopt, .strict = false, .tools = {}});
  std::vector<harmony::ParseEvent> events;
  const bool tail_is_closed = !tail.empty() && (tail.back() == control.end || tail.back() == control.return_ || tail.back() == control.call);
  for (const Token token : tail_is_closed ? log : log.first(n_closed)) {
    if (Result<void> pushed = parser.push(token, events); !pushed) return pushed.error();
  }
  if (Result<void> finished = parser.finish(events); !finished) return finished.error();
  const std::vector<Message>& messages = parser.messages();
  auto first = messages.begin();
  for (; first != messages.end() && is_opening(*first); ++first) {
    if (!introduced && first->role == Role::kDeveloper) add_paragraph(dialogue.instructions, first->text());
  }
  dialogue.messages.assign(first, messages.end());
  if (tail_is_closed) return dialogue;

  if (std::ranges::equal(tail, renderer.opening(Role::kAssistant))) return dialogue;
  const auto body = std::find(tail.begin(), tail.end(), control.message);
  const std::string header =
      renderer.tokenizer().decode_bytes(tail.first(static_cast<std::size_t>(body - tail.begin()))).value_or_throw();
  if (body != tail.end()) {
    for (const char* channel : {"analysis", "commentary", "final"}) {
      if (header == std::string("<|start|>assistant<|channel|>") + channel) dialogue.open_channel = channel;
    }
    const bool untouched = body + 1 == tail.end();
    if (!dialogue.open_channel.empty() && (untouched || !dialogue.in_final())) return dialogue;
  }
  return Error{
      ErrorCode::kUnsupported,
      "a model behind messages cannot go on where the log ends: found it inside '" + header.substr(0, 100) +
          "', expected the end of a message; `toccata runs fork` takes the run back to a step"};
}

// --- Bodies ------------------------------------------------------------------------------------------------------------

std::string body_of(MessageApi api, const MessageRequest& request) {
  const Introduction& introduction = request.introduction;
  const std::string& instructions = introduction.given ? introduction.instructions : request.dialogue.instructions;
  const Json tools = tools_json(introduction.functions, api);
  Json body = {{"model", request.model}, {"stream", true}, {"temperature", request.sampling.temperature}, {"top_p", request.sampling.top_p}};
  if (api == MessageApi::kChat) {
    Json messages = ChatWriter(request).messages();
    if (!instructions.empty()) messages.insert(messages.begin(), Json{{"role", "system"}, {"content", instructions}});
    body["messages"] = std::move(messages);
    body["seed"] = request.seed;
    body["stream_options"] = {{"include_usage", true}};
    if (introduction.effort) body["reasoning_effort"] = name_of(*introduction.effort);
  } else {
    body["input"] = ResponsesWriter(request).messages();
    if (!instructions.empty()) body["instructions"] = instructions;
    body["store"] = false;
    if (introduction.effort) body["reasoning"] = {{"effort", name_of(*introduction.effort)}};
  }
  if (tools.empty()) return json_text(body);
  body["tools"] = tools;
  // An answer is asked for where one was opened for the model.
  body["tool_choice"] = request.dialogue.in_final() ? "none" : "auto";
  body["parallel_tool_calls"] = true;
  return json_text(body);
}

}  // namespace toccata::agent
