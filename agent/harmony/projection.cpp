// What a completion means: by recipient first, then by channel.
#include <algorithm>

#include "agent/harmony/header.h"
#include "agent/harmony/parser.h"

namespace toccata::harmony {

Projection project(const std::vector<Message>& messages, const std::vector<std::string>& tools) {
  Projection out;
  std::string without_channel;
  const auto add_line = [](std::string& to, const std::string& text) {
    if (!to.empty()) to += '\n';
    to += text;
  };
  for (const Message& m : messages) {
    if (m.role != Role::kAssistant) continue;
    if (m.recipient) {
      if (*m.recipient == "assistant" || *m.recipient == "all" || *m.recipient == "user") continue;
      out.calls.push_back({resolve_tool(*m.recipient, tools).value_or(*m.recipient), m.text()});
    } else if (m.channel == "analysis") {
      add_line(out.reasoning, m.text());
    } else if (m.channel == "commentary") {
      add_line(out.preamble, m.text());
    } else if (m.channel == "final") {
      add_line(out.final, m.text());
    } else if (!m.channel) {
      add_line(without_channel, m.text());
    }
  }
  if (out.final.empty()) out.final = without_channel;
  return out;
}

std::optional<std::string> resolve_tool(
    std::string_view recipient, const std::vector<std::string>& tools
) {
  const auto declared = [&tools](std::string_view name) -> std::optional<std::string> {
    if (std::find(tools.begin(), tools.end(), name) != tools.end()) return std::string(name);
    // A bare name means the one declared function of that name; a namespace may be left out or put twice.
    std::optional<std::string> found;
    for (const std::string& tool : tools) {
      const std::size_t dot = tool.find('.');
      if (dot == std::string::npos || std::string_view(tool).substr(dot + 1) != name) continue;
      if (found) return std::nullopt;
      found = tool;
    }
    return found;
  };
  std::string name = clean_name(recipient);
  if (name.empty()) return std::nullopt;
  if (auto found = declared(name)) return found;
  for (constexpr std::string_view kPrefix = "functions."; name.starts_with(kPrefix);) {
    name.erase(0, kPrefix.size());
    if (auto found = declared(name)) return found;
    if (auto found = declared(std::string(kPrefix) + name)) return found;
  }
  // A type glued to the name: `shelljson`.
  for (const std::string_view type : {"json", "code"}) {
    if (!name.ends_with(type) || name.size() == type.size()) continue;
    const std::string bare = name.substr(0, name.size() - type.size());
    if (auto found = declared(bare)) return found;
    if (auto found = declared("functions." + bare)) return found;
  }
  return std::nullopt;
}

}  // namespace toccata::harmony
