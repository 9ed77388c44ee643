// Several system or developer messages become one of each.
#include <algorithm>

#include "agent/harmony/renderer.h"

namespace toccata::harmony {
namespace {

template <class T>
void take_over(std::optional<T>& into, const std::optional<T>& from) {
  if (from) into = from;
}

void add_text(std::optional<std::string>& into, const std::string& text) {
  if (text.empty()) return;
  into = into && !into->empty() ? *into + "\n\n" + text : text;
}

void add_tools(std::optional<ToolNamespaces>& into, const std::optional<ToolNamespaces>& from) {
  if (!from) return;
  if (!into) into.emplace();
  for (const auto& [key, space] : *from) {
    const auto [known, is_new] = into->emplace(key, space);
    if (is_new) continue;
    take_over(known->second.description, space.description);
    for (const ToolDescription& tool : space.tools) {
      auto& tools = known->second.tools;
      const auto same = std::find_if(tools.begin(), tools.end(), [&](const auto& t) { return t.name == tool.name; });
      if (same == tools.end()) {
        tools.push_back(tool);
      } else {
        *same = tool;  // declared anew
      }
    }
  }
}

struct Preamble {
  SystemContent system;
  DeveloperContent developer;
  bool has_system_content = false, has_developer = false;

  void add(const Content& part) {
    if (const auto* s = std::get_if<SystemContent>(&part)) {
      has_system_content = true;
      take_over(system.model_identity, s->model_identity);
      take_over(system.reasoning_effort, s->reasoning_effort);
      take_over(system.conversation_start_date, s->conversation_start_date);
      take_over(system.knowledge_cutoff, s->knowledge_cutoff);
      take_over(system.channel_config, s->channel_config);
      add_tools(system.tools, s->tools);
    } else if (const auto* d = std::get_if<DeveloperContent>(&part)) {
      has_developer = true;
      add_text(developer.instructions, d->instructions.value_or(""));
      add_tools(developer.tools, d->tools);
    } else {
      const std::string& text = std::get<TextContent>(part).text;
      has_developer = has_developer || !text.empty();
      add_text(developer.instructions, text);
    }
  }
};

}  // namespace

Conversation merge_preambles(const Conversation& conversation) {
  const auto is_preamble = [](const Message& m) { return m.role == Role::kSystem || m.role == Role::kDeveloper; };
  Preamble preamble;
  for (const Message& message : conversation.messages) {
    if (!is_preamble(message)) continue;
    for (const Content& part : message.content) preamble.add(part);
  }
  Conversation merged;
  const auto add = [&merged](Role role, Content content) {
    Message message;
    message.role = role;
    message.content.push_back(std::move(content));
    merged.messages.push_back(std::move(message));
  };
  if (preamble.has_system_content) add(Role::kSystem, std::move(preamble.system));
  if (preamble.has_developer) add(Role::kDeveloper, std::move(preamble.developer));
  for (const Message& message : conversation.messages) {
    if (!is_preamble(message)) merged.messages.push_back(message);
  }
  return merged;
}

}  // namespace toccata::harmony
