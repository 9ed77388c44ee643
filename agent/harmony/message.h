// Harmony messages: the values the renderer writes and the parser reads.
// Source of the format: openai/harmony docs/format.md and src/chat.rs at v0.0.8.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace toccata::harmony {

enum class Role { kUser, kAssistant, kSystem, kDeveloper, kTool };
enum class ReasoningEffort { kLow, kMedium, kHigh };

struct ToolDescription {
  std::string name;
  std::string description;
  std::optional<std::string> parameters;  // JSON Schema text; key order is kept when it is rendered
  friend bool operator==(const ToolDescription&, const ToolDescription&) = default;
};

struct ToolNamespace {
  std::string name;
  std::optional<std::string> description;
  std::vector<ToolDescription> tools;  // empty: the description is printed as plain text (python)
  friend bool operator==(const ToolNamespace&, const ToolNamespace&) = default;
};

// Key -> namespace; printed in key order.
using ToolNamespaces = std::map<std::string, ToolNamespace>;

struct ChannelConfig {
  std::vector<std::string> valid_channels;
  bool channel_required = false;
  friend bool operator==(const ChannelConfig&, const ChannelConfig&) = default;
};

// An absent field is left out of the text.
struct SystemContent {
  std::optional<std::string> model_identity;
  std::optional<ReasoningEffort> reasoning_effort;
  std::optional<std::string> conversation_start_date;  // ISO date
  std::optional<std::string> knowledge_cutoff;
  std::optional<ChannelConfig> channel_config;
  std::optional<ToolNamespaces> tools;
  friend bool operator==(const SystemContent&, const SystemContent&) = default;

  // The system message gpt-oss was trained with: ChatGPT identity, cutoff 2024-06, medium effort, the three
  // channels, channel required. Date and tools are left for the caller.
  static SystemContent gpt_oss_default();
};

struct DeveloperContent {
  std::optional<std::string> instructions;
  std::optional<ToolNamespaces> tools;
  friend bool operator==(const DeveloperContent&, const DeveloperContent&) = default;
};

struct TextContent {
  std::string text;
  friend bool operator==(const TextContent&, const TextContent&) = default;
};

using Content = std::variant<TextContent, SystemContent, DeveloperContent>;

struct Message {
  Role role = Role::kUser;
  std::optional<std::string> name;  // author name; a tool message needs one ("python", "functions.f")
  std::vector<Content> content;     // parts, joined with nothing between
  std::optional<std::string> channel;
  std::optional<std::string> recipient;
  std::optional<std::string> content_type;  // "code", "<|constrain|>json"
  friend bool operator==(const Message&, const Message&) = default;

  static Message text(Role role, std::string text);
  // The text parts joined.
  std::string text() const;
};

struct Conversation {
  std::vector<Message> messages;
  friend bool operator==(const Conversation&, const Conversation&) = default;
};

const char* to_string(Role role);
std::optional<Role> role_from_string(std::string_view name);

}  // namespace toccata::harmony
