#include "agent/loop/call_items.h"

#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::agent {
namespace {

nlohmann::json parse_or_null(const std::string& text) {
  nlohmann::json value = json_from<nlohmann::json>(text);
  return value.is_discarded() ? nlohmann::json() : value;
}

std::string query_of(const std::string& arguments) {
  const nlohmann::json value = parse_or_null(arguments);
  if (value.is_object() && value.contains("query") && value["query"].is_string()) {
    return value["query"].get<std::string>();
  }
  return arguments;
}

// As a person would type it.
std::string command_of(const std::string& arguments) {
  const nlohmann::json value = parse_or_null(arguments);
  const nlohmann::json command = value.is_object() ? value.value("command", nlohmann::json()) : value;
  if (command.is_string()) return command.get<std::string>();
  if (!command.is_array()) return arguments;
  std::string text;
  for (const nlohmann::json& part : command) {
    if (!part.is_string()) return arguments;
    text += (text.empty() ? "" : " ") + part.get<std::string>();
  }
  return text;
}

int exit_code_of(const tools::ToolResult& result) {
  const nlohmann::json metadata = parse_or_null(result.metadata);
  for (const char* key : {"exit_code", "exit"}) {
    if (metadata.is_object() && metadata.contains(key) && metadata[key].is_number_integer()) {
      return metadata[key].get<int>();
    }
  }
  return result.status == tools::ToolStatus::kOk ? 0 : 1;
}

void complete(CommandItem& item, const tools::ToolResult& result, ItemStatus status) {
  item.aggregated_output = result.content;
  item.exit_code = exit_code_of(result);
  item.status = status;
}
void complete(WebSearchItem& item, const tools::ToolResult& result, ItemStatus status) {
  item.result = result.content;
  item.status = status;
  const nlohmann::json metadata = parse_or_null(result.metadata);
  if (!metadata.is_object() || !metadata.contains("sources")) return;
  for (const nlohmann::json& source : metadata["sources"]) {
    if (source.is_string()) item.sources.push_back(source.get<std::string>());
  }
}
void complete(ToolCallItem& item, const tools::ToolResult& result, ItemStatus status) {
  (status == ItemStatus::kCompleted ? item.result : item.error) = result.content;
  item.status = status;
}
template <class Other>
void complete(Other&, const tools::ToolResult&, ItemStatus) {}

}  // namespace

Item call_started_item(std::string id, const std::string& recipient, const std::string& arguments) {
  if (recipient == "python") return {std::move(id), CommandItem{.command = arguments}};
  if (recipient == "functions.shell") {
    return {std::move(id), CommandItem{.command = command_of(arguments)}};
  }
  if (recipient == "browser.search") {
    return {std::move(id), WebSearchItem{.query = query_of(arguments)}};
  }
  ToolCallItem item;
  const auto dot = recipient.find('.');
  item.server = recipient.substr(0, dot);
  item.tool = dot == std::string::npos ? recipient : recipient.substr(dot + 1);
  item.arguments = arguments;
  return {std::move(id), std::move(item)};
}

Item call_completed_item(Item started, const tools::ToolResult& result, std::span<const store::SessionFile> files) {
  const ItemStatus status =
      result.status == tools::ToolStatus::kOk ? ItemStatus::kCompleted : ItemStatus::kFailed;
  started.provenance = result.provenance;
  started.sandbox_cpu_us = result.sandbox_cpu.count();
  std::visit([&](auto& details) { complete(details, result, status); }, started.details);
  if (auto* command = std::get_if<CommandItem>(&started.details)) {
    for (const store::SessionFile& file : files) {
      if (file.size) command->files.push_back({file.path, *file.size});
    }
  }
  return started;
}

}  // namespace toccata::agent
