#include "agent/server/messages_request.h"

#include <algorithm>
#include <map>

#include "agent/server/request_fields.h"
#include "core/base/calendar.h"

namespace toccata::server {
namespace {

void join(std::string& text, const std::string& piece) {
  if (!text.empty() && !piece.empty()) text += "\n\n";
  text += piece;
}

std::string type_of(const Json& block, const char* param) {
  if (!block.is_object()) throw ApiError::bad(param, "a content block must be an object");
  return string_field(block, "type").value_or("");
}

// A string or text blocks. Claude Code's first block is a header for Anthropic's billing that differs from request to
// request; shown to the model, it would make every request a new conversation.
std::string read_system(const Json& body) {
  const Json* system = field(body, "system");
  if (system == nullptr || !system->is_array()) return read_text(system, "system");
  std::string text;
  for (const Json& block : *system) {
    const Json one = Json::array({block});
    const std::string piece = read_text(&one, "system");
    if (!piece.starts_with("x-anthropic-billing-header:")) join(text, piece);
  }
  return text;
}

// What a tool gave back. A picture in it must not end the conversation.
std::string tool_result_text(const Json* content) {
  if (content == nullptr || !content->is_array()) return read_text(content, "messages");
  std::string text;
  for (const Json& block : *content) {
    const std::string type = type_of(block, "messages");
    join(text, type == "text" ? string_field(block, "text").value_or("") : "[" + type + " left out: the model reads text only]");
  }
  return text;
}

class TurnReader {
 public:
  explicit TurnReader(ChatRequest& request) : request_(request) {}

  void add(const Json& message) {
    if (!message.is_object()) throw ApiError::bad("messages", "a message must be an object");
    const std::string role = string_field(message, "role").value_or("");
    const Json* content = field(message, "content");
    if (content == nullptr) throw ApiError::bad("messages", "a message of role '" + role + "' needs 'content'");
    const Json blocks = content->is_string() ? Json::array({{{"type", "text"}, {"text", *content}}}) : *content;
    if (!blocks.is_array()) throw ApiError::bad("messages", "'content' must be a string or an array of blocks");
    if (role == "assistant") {
      assistant(blocks);
    } else if (role == "user") {
      user(blocks);
    } else if (role == "system") {
      request_.turns.emplace_back(DeveloperText{read_text(&blocks, "messages")});
    } else {
      throw ApiError::bad("messages", "unknown role '" + role + "'; expected user or assistant");
    }
  }

 private:
  void user(const Json& blocks) {
    std::string text;
    bool has_text = blocks.empty();
    for (const Json& block : blocks) {
      if (type_of(block, "messages") == "tool_result") {
        tool_result(block);
      } else {
        join(text, read_text_block(block));
        has_text = true;
      }
    }
    if (has_text) request_.turns.emplace_back(UserText{std::move(text)});
  }

  void tool_result(const Json& block) {
    const std::string id = string_field(block, "tool_use_id").value_or("");
    const auto known = recipient_of_call_.find(id);
    if (known == recipient_of_call_.end()) {
      throw ApiError::bad("messages", "a tool_result has the tool_use_id '" + id + "', but no tool_use before it has");
    }
    request_.turns.emplace_back(ToolText{known->second, tool_result_text(field(block, "content"))});
  }

  void assistant(const Json& blocks) {
    AssistantStep step;
    for (const Json& block : blocks) {
      const std::string type = type_of(block, "messages");
      if (type == "thinking") {
        join(step.reasoning, string_field(block, "thinking").value_or(""));
      } else if (type == "text") {
        join(step.text, string_field(block, "text").value_or(""));
      } else if (type == "tool_use") {
        const std::string name = string_field(block, "name").value_or(""), id = string_field(block, "id").value_or("");
        if (name.empty() || id.empty()) throw ApiError::bad("messages", "a tool_use needs 'id' and 'name'");
        const Json* input = field(block, "input");
        recipient_of_call_[id] = "functions." + name;
        step.calls.push_back({"functions." + name, input != nullptr ? dump(*input) : "{}"});
      }
      // redacted_thinking, server_tool_use and its results: nothing this model said.
    }
    request_.turns.emplace_back(std::move(step));
  }

  static std::string read_text_block(const Json& block) {
    const Json one = Json::array({block});
    return read_text(&one, "messages");
  }

  ChatRequest& request_;
  std::map<std::string, std::string> recipient_of_call_;
};

void read_tools(const Json& body, MessagesCall& call) {
  auto& functions = call.request.functions;
  if (const Json* tools = array_field(body, "tools")) {
    for (const Json& tool : *tools) {
      if (!tool.is_object()) throw ApiError::bad("tools", "a tool must be an object");
      // The others, as web_search_20250305, run on Anthropic's side.
      if (string_field(tool, "type").value_or("custom") != "custom") continue;
      functions.push_back(read_function(tool, "input_schema", "tools"));
      if (bool_field(tool, "strict", false)) call.request.strict_functions.insert(functions.back().name);
    }
  }
  const Json* choice = object_field(body, "tool_choice");
  const std::string type = choice != nullptr ? string_field(*choice, "type").value_or("") : "auto";
  if (type == "none") {
    functions.clear();
  } else if (type == "any" || type == "tool") {
    if (functions.empty()) throw ApiError::bad("tool_choice", "tool_choice asks for a call, but no tool is declared");
    std::string name = functions.size() == 1 ? functions[0].name : "";
    if (type == "tool") {
      name = string_field(*choice, "name").value_or("");
      const bool known = std::any_of(functions.begin(), functions.end(), [&](const auto& f) { return f.name == name; });
      if (!known) throw ApiError::bad("tool_choice", "tool_choice names '" + name + "', which is not declared");
    }
    call.step.must_call = name;
  } else if (type != "auto") {
    throw ApiError::bad("tool_choice", "tool_choice is of type '" + type + "', expected auto, any, tool or none");
  }
  for (const auto& f : functions) call.step.recipients.push_back("functions." + f.name);
}

void read_format(const Json& format, bool can_mask, MessagesCall& call) {
  const Json* schema = object_field(format, "schema");
  if (string_field(format, "type").value_or("") != "json_schema" || schema == nullptr) {
    throw ApiError::bad("output_config", "output_config.format must be of type json_schema, with a 'schema'");
  }
  if (!can_mask) {
    throw ApiError::bad("output_config", "output_config.format asks for a schema, which cannot be enforced with this model");
  }
  call.request.response_format = dump(*schema);
  call.request.strict_format = true;
}

// These models always think. A budget says how much is welcome; without thinking it is little, and not shown.
void read_thinking(const Json& body, bool can_mask, MessagesCall& call) {
  if (const Json* thinking = object_field(body, "thinking")) {
    const std::string type = string_field(*thinking, "type").value_or("");
    if (type != "enabled" && type != "adaptive" && type != "disabled") {
      throw ApiError::bad("thinking", "thinking is of type '" + type + "', expected enabled, adaptive or disabled");
    }
    call.show_thinking = type != "disabled";
    if (type == "disabled") call.request.effort = harmony::ReasoningEffort::kLow;
    if (auto budget = integer_field(*thinking, "budget_tokens", 0, INT32_MAX)) {
      call.request.effort = *budget < 4096     ? harmony::ReasoningEffort::kLow
                            : *budget <= 16384 ? harmony::ReasoningEffort::kMedium
                                               : harmony::ReasoningEffort::kHigh;
    }
  }
  if (const Json* output = object_field(body, "output_config")) {
    if (auto effort = string_field(*output, "effort")) call.request.effort = read_effort(*effort, "output_config");
    if (const Json* format = object_field(*output, "format")) read_format(*format, can_mask, call);
  }
}

}  // namespace

MessagesCall read_messages_call(const Json& body, const Services& services) {
  check_model(body, services);
  MessagesCall call;
  call.request.effort = services.options.effort;
  if (services.options.today) call.request.current_date = today();
  call.request.instructions = read_system(body);
  const Json* messages = array_field(body, "messages");
  if (messages == nullptr || messages->empty()) throw ApiError::bad("messages", "'messages' is missing or empty");
  TurnReader reader(call.request);
  for (const Json& message : *messages) reader.add(message);
  if (std::holds_alternative<AssistantStep>(call.request.turns.back())) {
    throw ApiError::bad("messages", "the last message is the assistant's; this server does not continue one, end with a user message");
  }
  read_thinking(body, services.masks.on(), call);
  read_tools(body, call);
  if (services.options.hide_reasoning) call.show_thinking = false;
  call.step.sampling = read_sampling(body, services);
  call.step.stop_strings = read_stop(body, "stop_sequences");
  call.step.max_tokens = integer_field(body, "max_tokens", 1, INT32_MAX).value_or(0);
  call.stream = bool_field(body, "stream", false);
  call.step.constraint = services.masks.of(call.request, call.step.must_call);
  return call;
}

}  // namespace toccata::server
