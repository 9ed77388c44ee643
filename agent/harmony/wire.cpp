#include "agent/harmony/wire.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/harmony/tool_schema.h"
#include "core/base/json.h"

namespace toccata::harmony {
namespace {

using nlohmann::ordered_json;

[[noreturn]] void fail(const std::string& what) { throw Exception(ErrorCode::kInvalidArgument, what); }

std::optional<std::string> text_field(const ordered_json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return std::nullopt;
  if (!it->is_string()) fail(std::string("'") + key + "' is not a string");
  return it->get<std::string>();
}

ReasoningEffort effort_from(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name == "low") return ReasoningEffort::kLow;
  if (name == "medium") return ReasoningEffort::kMedium;
  if (name == "high") return ReasoningEffort::kHigh;
  fail("'reasoning_effort' is '" + name + "', expected low, medium or high");
}

std::optional<ToolNamespaces> tools_field(const ordered_json& json) {
  const auto it = json.find("tools");
  if (it == json.end() || it->is_null()) return std::nullopt;
  if (!it->is_object()) fail("'tools' is not an object of namespaces");
  ToolNamespaces namespaces;
  for (const auto& [key, space] : it->items()) {
    namespaces[key] = tool_namespace_from_json(json_text(space)).value_or_throw();
  }
  return namespaces;
}

std::optional<ChannelConfig> channel_field(const ordered_json& json) {
  const auto it = json.find("channel_config");
  if (it == json.end() || it->is_null()) return std::nullopt;
  if (!it->is_object()) fail("'channel_config' is not an object");
  ChannelConfig config;
  if (const auto list = it->find("valid_channels"); list != it->end()) {
    if (!list->is_array()) fail("'valid_channels' is not a list");
    for (const ordered_json& channel : *list) {
      if (!channel.is_string()) fail("a valid channel is not a string");
      config.valid_channels.push_back(channel.get<std::string>());
    }
  }
  if (const auto flag = it->find("channel_required"); flag != it->end()) {
    if (!flag->is_boolean()) fail("'channel_required' is not true or false");
    config.channel_required = flag->get<bool>();
  }
  return config;
}

Content part_from(const ordered_json& json) {
  if (!json.is_object()) fail("a content part is not an object");
  const std::string type = text_field(json, "type").value_or("");
  if (type == "text") {
    const auto text = text_field(json, "text");
    if (!text) fail("a text part has no 'text'");
    return TextContent{*text};
  }
  if (type == "system_content") {
    SystemContent content;
    content.model_identity = text_field(json, "model_identity");
    if (const auto effort = text_field(json, "reasoning_effort")) content.reasoning_effort = effort_from(*effort);
    content.conversation_start_date = text_field(json, "conversation_start_date");
    content.knowledge_cutoff = text_field(json, "knowledge_cutoff");
    content.channel_config = channel_field(json);
    content.tools = tools_field(json);
    return content;
  }
  if (type == "developer_content") return DeveloperContent{text_field(json, "instructions"), tools_field(json)};
  fail("content part of type '" + type + "', expected text, system_content or developer_content");
}

Message message_from(const ordered_json& json) {
  if (!json.is_object()) fail("a message is not an object");
  const std::string role_name = text_field(json, "role").value_or("");
  const auto role = role_from_string(role_name);
  if (!role) fail("Unknown role: " + role_name);
  Message message;
  message.role = *role;
  message.name = text_field(json, "name");
  message.channel = text_field(json, "channel");
  message.recipient = text_field(json, "recipient");
  message.content_type = text_field(json, "content_type");
  const auto content = json.find("content");
  if (content == json.end()) fail("a message has no 'content'");
  if (content->is_string()) {
    message.content.push_back(TextContent{content->get<std::string>()});
  } else if (content->is_array()) {
    for (const ordered_json& part : *content) message.content.push_back(part_from(part));
  } else if (content->is_object()) {
    message.content.push_back(part_from(*content));
  } else {
    fail("'content' is neither a string nor a list of parts");
  }
  return message;
}

}  // namespace

Result<Message> message_from_json(const ordered_json& json) {
  try {
    return message_from(json);
  } catch (const Exception& e) {
    return e.error();
  }
}

Result<Conversation> conversation_from_json(const ordered_json& json) {
  const auto list = json.is_object() ? json.find("messages") : json.end();
  if (list == json.end() || !list->is_array()) {
    return Error{ErrorCode::kInvalidArgument, "expected an object with a list of 'messages'"};
  }
  Conversation conversation;
  for (const ordered_json& item : *list) {
    auto message = message_from_json(item);
    if (!message) {
      return Error{
          message.error().code,
          "message " + std::to_string(conversation.messages.size()) + ": " + message.error().message};
    }
    conversation.messages.push_back(std::move(*message));
  }
  return conversation;
}

ordered_json to_json(const Message& message) {
  ordered_json json = {{"role", to_string(message.role)}};
  if (message.name) json["name"] = *message.name;
  if (message.recipient) json["recipient"] = *message.recipient;
  if (message.channel) json["channel"] = *message.channel;
  if (message.content_type) json["content_type"] = *message.content_type;
  json["content"] = message.text();
  return json;
}

}  // namespace toccata::harmony
