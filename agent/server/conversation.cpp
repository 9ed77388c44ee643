#include "agent/server/conversation.h"

#include "agent/loop/prompt.h"
#include "agent/server/json_fields.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

using harmony::Message;
using harmony::Role;

std::string without_spaces(const std::string& arguments) {
  const Json json = json_from<Json>(arguments);
  return json.is_discarded() ? arguments : dump(json);
}

class Builder {
 public:
  Builder(const ChatRequest& request, const harmony::Renderer& renderer, StepMemory& memory)
      : request_(request), renderer_(renderer), memory_(memory) {
    prompt_.has_functions = !request.functions.empty();
    for (std::size_t i = 0; i < request.turns.size(); ++i) {
      const auto* step = std::get_if<AssistantStep>(&request.turns[i]);
      if (step != nullptr && step->calls.empty() && !step->text.empty()) n_finished_ = i;
    }
  }

  Result<Prompt> build() {
    prompt_.opening.push_back(system());
    if (auto developer = this->developer()) prompt_.opening.push_back(std::move(*developer));
    for (const Message& message : prompt_.opening) add(message);
    for (std::size_t i = 0; i < request_.turns.size(); ++i) {
      std::visit([&](const auto& turn) { add_turn(turn, i); }, request_.turns[i]);
    }
    add(renderer_.opening(Role::kAssistant));
    if (failure_) return *failure_;
    return std::move(prompt_);
  }

 private:
  Message system() const {
    harmony::SystemContent content = harmony::SystemContent::gpt_oss_default();
    content.reasoning_effort = request_.effort;
    content.conversation_start_date = request_.current_date;
    if (!request_.built_in.empty()) content.tools = request_.built_in;
    Message message;
    message.role = Role::kSystem;
    message.content.emplace_back(std::move(content));
    return message;
  }

  std::optional<Message> developer() const {
    harmony::DeveloperContent content;
    std::string instructions = request_.instructions;
    if (!request_.response_format.empty()) {
      // harmony docs/format.md, "Structured output".
      if (!instructions.empty()) instructions += "\n\n";
      instructions += "# Response Formats\n\n## answer\n\n" + request_.response_format;
    }
    if (!instructions.empty()) content.instructions = std::move(instructions);
    harmony::ToolNamespaces spaces = request_.further;
    if (!request_.functions.empty()) {
      spaces["functions"] = harmony::ToolNamespace{"functions", std::nullopt, request_.functions};
    }
    if (!spaces.empty()) content.tools = std::move(spaces);
    if (!content.instructions && !content.tools) return std::nullopt;
    Message message;
    message.role = Role::kDeveloper;
    message.content.emplace_back(std::move(content));
    return message;
  }

  void add_turn(const UserText& turn, std::size_t) { add(Message::text(Role::kUser, turn.text)); }

  void add_turn(const DeveloperText& turn, std::size_t) {
    harmony::DeveloperContent content;
    content.instructions = turn.text;
    Message message;
    message.role = Role::kDeveloper;
    message.content.emplace_back(std::move(content));
    add(message);
  }

  void add_turn(const ToolText& turn, std::size_t) {
    const bool is_function = turn.author.starts_with("functions.");
    add(agent::tool_message(
        agent::safe_author(turn.author), is_function ? "commentary" : "analysis", turn.text
    ));
  }

  void add_turn(const AssistantStep& step, std::size_t i) {
    PrefixHash before = prompt_.before;
    const Tokens opening = renderer_.opening(Role::kAssistant);
    before.add(opening);
    std::string key = step_key(before, seen_of(step));
    if (auto sampled = recall(key)) {
      prompt_.steps.push_back(std::move(key));
      settle(*sampled, renderer_.control());
      add(opening);
      add(*sampled);
      return;
    }
    const bool in_finished_turn = n_finished_ && i <= *n_finished_;
    if (!step.reasoning.empty() && !in_finished_turn) {
      add(assistant(step.reasoning, "analysis"));
    }
    for (const MadeCall& made : step.made) add_made(made);
    if (!step.text.empty()) add(assistant(step.text, step.calls.empty() ? "final" : "commentary"));
    for (const Call& call : step.calls) add_call(call);
  }

  void add_call(const Call& call) {
    const bool is_function = call.recipient.starts_with("functions.");
    Message message = assistant(call.arguments, is_function ? "commentary" : "analysis");
    message.recipient = call.recipient;
    message.content_type = is_function ? "<|constrain|>json" : "code";
    add(message);
  }

  void add_made(const MadeCall& made) {
    add_call(made.call);
    add_turn(ToolText{made.call.recipient, made.result}, 0);
  }

  std::optional<Tokens> recall(const std::string& key) {
    const auto sent = request_.sampled.find(key);
    return sent != request_.sampled.end() ? sent->second : memory_.recall(key, request_.archived_steps);
  }

  static Message assistant(std::string text, const char* channel) {
    Message message = Message::text(Role::kAssistant, std::move(text));
    message.channel = channel;
    return message;
  }

  void add(const Message& message) {
    if (failure_) return;
    // The order in which the models write a call's header.
    const harmony::RenderConfig config{
        .drop = harmony::DropRule::kNone, .call_order = harmony::CallOrder::kChannelFirst};
    Result<Tokens> tokens = renderer_.message(message, prompt_.has_functions, config);
    if (!tokens) {
      failure_ = tokens.error();
      return;
    }
    add(*tokens);
  }
  void add(const Tokens& tokens) {
    prompt_.tokens.insert(prompt_.tokens.end(), tokens.begin(), tokens.end());
    prompt_.before.add(tokens);
  }

  const ChatRequest& request_;
  const harmony::Renderer& renderer_;
  StepMemory& memory_;
  Prompt prompt_;
  std::optional<std::size_t> n_finished_;  // index of the last answer
  std::optional<Error> failure_;
};

}  // namespace

std::string seen_of(const AssistantStep& step) {
  std::string seen = step.text;
  for (const Call& call : step.calls) {
    seen.append("\x1e").append(call.recipient).append("\x1f").append(without_spaces(call.arguments));
  }
  return seen;
}

std::string step_key(const Prompt& prompt, const AssistantStep& step) { return step_key(prompt.before, seen_of(step)); }

void settle(Tokens& tokens, const harmony::ControlTokens& control) {
  if (tokens.empty()) return;
  const Token last = tokens.back();
  if (last == control.return_ || last == control.endoftext) {
    tokens.back() = control.end;
    return;
  }
  if (last == control.end || last == control.call) return;
  for (auto it = tokens.rbegin(); it != tokens.rend(); ++it) {
    if (*it == control.message) break;
    if (*it == control.start || *it == control.channel) {
      tokens.push_back(control.message);
      break;
    }
  }
  tokens.push_back(control.end);
}

Result<Prompt> build_prompt(
    const ChatRequest& request, const harmony::Renderer& renderer, StepMemory& memory
) {
  return Builder(request, renderer, memory).build();
}

}  // namespace toccata::server
