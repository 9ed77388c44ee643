#include "agent/harmony/message.h"

namespace toccata::harmony {

SystemContent SystemContent::gpt_oss_default() {
  SystemContent content;
  content.model_identity = "You are ChatGPT, a large language model trained by OpenAI.";
  content.reasoning_effort = ReasoningEffort::kMedium;
  content.knowledge_cutoff = "2024-06";
  content.channel_config = ChannelConfig{{"analysis", "commentary", "final"}, true};
  return content;
}

Message Message::text(Role role, std::string text) {
  Message message;
  message.role = role;
  message.content.push_back(TextContent{std::move(text)});
  return message;
}

std::string Message::text() const {
  std::string joined;
  for (const Content& part : content) {
    if (const auto* text = std::get_if<TextContent>(&part)) joined += text->text;
  }
  return joined;
}

const char* to_string(Role role) {
  switch (role) {
    case Role::kUser: return "user";
    case Role::kAssistant: return "assistant";
    case Role::kSystem: return "system";
    case Role::kDeveloper: return "developer";
    case Role::kTool: return "tool";
  }
  return "?";
}

std::optional<Role> role_from_string(std::string_view name) {
  for (const Role role : {Role::kUser, Role::kAssistant, Role::kSystem, Role::kDeveloper, Role::kTool}) {
    if (name == to_string(role)) return role;
  }
  return std::nullopt;
}

}  // namespace toccata::harmony
