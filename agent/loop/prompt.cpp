#include "agent/loop/prompt.h"

#include <algorithm>
#include <iterator>

namespace toccata::agent {
namespace {

constexpr std::size_t kAuthorBytesMax = 64;

harmony::ToolDescription describe(
    const std::string& name_space, const tools::FunctionSpec& function, harmony::NameMap& names
) {
  const std::string prefix = name_space + ".";
  const std::string shown = names.add(prefix + function.name).substr(prefix.size());
  harmony::ToolDescription description{shown, function.description, std::nullopt};
  if (!function.parameters.empty()) description.parameters = function.parameters;
  return description;
}

harmony::ToolNamespace describe(const tools::ToolSpec& spec, harmony::NameMap& names) {
  harmony::ToolNamespace result;
  result.name = spec.name_space;
  if (!spec.description.empty()) result.description = spec.description;
  for (const tools::FunctionSpec& function : spec.functions) {
    result.tools.push_back(describe(spec.name_space, function, names));
  }
  return result;
}

harmony::Message with_content(harmony::Role role, harmony::Content content) {
  harmony::Message message;
  message.role = role;
  message.content.push_back(std::move(content));
  return message;
}

}  // namespace

harmony::NameMap tool_names(const tools::Registry& registry) {
  harmony::NameMap names;
  for (const std::string& recipient : registry.recipients()) names.add(recipient);
  return names;
}

harmony::ToolNamespaces tool_namespaces(
    const tools::Registry& registry, tools::Placement placement
) {
  harmony::NameMap names = tool_names(registry);
  harmony::ToolNamespaces namespaces;
  for (const auto& tool : registry.tools()) {
    const tools::ToolSpec& spec = tool->spec();
    if (spec.placement != placement) continue;
    harmony::ToolNamespace described = describe(spec, names);
    const auto [known, is_new] = namespaces.emplace(spec.name_space, described);
    if (is_new) continue;
    auto& shared = known->second;  // with a tool before it
    if (!shared.description) shared.description = std::move(described.description);
    std::move(described.tools.begin(), described.tools.end(), std::back_inserter(shared.tools));
  }
  return namespaces;
}

bool has_function_tools(const tools::Registry& registry) {
  const auto developer = tool_namespaces(registry, tools::Placement::kDeveloper);
  const auto functions = developer.find("functions");
  return functions != developer.end() && !functions->second.tools.empty();
}

std::vector<harmony::Message> opening_messages(
    const AgentConfig& config, const tools::Registry& registry
) {
  harmony::SystemContent system = harmony::SystemContent::gpt_oss_default();
  if (config.model_identity) system.model_identity = config.model_identity;
  system.reasoning_effort = config.reasoning;
  system.conversation_start_date = config.current_date;
  auto built_in = tool_namespaces(registry, tools::Placement::kSystem);
  if (!built_in.empty()) system.tools = std::move(built_in);
  std::vector<harmony::Message> messages;
  messages.push_back(with_content(harmony::Role::kSystem, std::move(system)));

  harmony::DeveloperContent developer;
  developer.instructions = config.instructions;
  if (config.output_schema) {
    const std::string format = config.output_schema->instructions();
    developer.instructions = developer.instructions ? *developer.instructions + "\n\n" + format : format;
  }
  auto declared = tool_namespaces(registry, tools::Placement::kDeveloper);
  if (!declared.empty()) developer.tools = std::move(declared);
  if (developer.instructions || developer.tools) {
    messages.push_back(with_content(harmony::Role::kDeveloper, std::move(developer)));
  }
  return messages;
}

harmony::Message tool_message(std::string author, std::string channel, std::string content) {
  harmony::Message message = harmony::Message::text(harmony::Role::kTool, std::move(content));
  message.name = std::move(author);
  message.recipient = "assistant";
  message.channel = std::move(channel);
  return message;
}

std::string safe_author(std::string_view name) {
  std::string author;
  for (const char c : name.substr(0, kAuthorBytesMax)) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    author += allowed ? c : '_';
  }
  return author.empty() ? "unknown" : author;
}

}  // namespace toccata::agent
