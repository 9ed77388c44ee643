#include "agent/server/built_in_items.h"

#include "agent/loop/shown_pages.h"
#include "agent/server/services.h"
#include "core/base/base64.h"
#include "core/base/image_type.h"
#include "core/base/json.h"

namespace toccata::server {
namespace {

constexpr std::size_t kImageBytesMax = std::size_t{4} << 20;  // of one call's pictures

// What `[3] Title (https://example.org/)` shows; empty where that is none.
std::string shown_url(const std::string& result) {
  if (!result.starts_with('[')) return {};
  agent::ShownPages pages;
  pages.show(result);
  const std::int64_t cursor = std::strtoll(result.c_str() + 1, nullptr, 10);
  const auto page = pages.citable(cursor);
  return page ? page->url : std::string();
}

Json address(const std::string& url) { return {{"type", "url"}, {"url", url}}; }

Json page_action(const agent::ToolCallItem& call, const ItemOptions& options) {
  const Json arguments = json_from<Json>(call.arguments);
  const auto text_of = [&](const char* key) {
    const bool is_text = arguments.is_object() && arguments.contains(key) && arguments[key].is_string();
    return is_text ? arguments[key].get<std::string>() : std::string();
  };
  std::string url = call.result ? shown_url(*call.result) : std::string();
  const std::string id = text_of("id");
  if (url.empty() && id.find("://") != std::string::npos) url = id;
  // Of a link that is followed the address is known with the result; a page to look through must have one in OpenAI's types.
  if (call.tool == "find") return {{"type", "find_in_page"}, {"pattern", text_of("pattern")}, {"url", url}};
  Json action = {{"type", "open_page"}, {"url", url.empty() ? Json(nullptr) : Json(url)}};
  if (options.sources && !url.empty()) action["sources"] = Json::array({address(url)});
  return action;
}

}  // namespace

ToolKind tool_kind(const std::string& recipient, const ItemOptions& options) {
  const std::string space = recipient.substr(0, recipient.find('.'));
  if (recipient == "python") return ToolKind::kPython;
  if (space == "browser") return ToolKind::kSearch;
  return options.labels.contains(space) ? ToolKind::kMcp : ToolKind::kNone;
}

Json begun_item(ToolKind kind, const std::string& recipient, const ItemOptions& options) {
  if (kind == ToolKind::kSearch) return {{"id", make_id("ws_")}, {"type", "web_search_call"}, {"status", "in_progress"}};
  if (kind == ToolKind::kPython) {
    return {
        {"id", make_id("ci_")},
        {"type", "code_interpreter_call"},
        {"status", "in_progress"},
        {"code", ""},
        {"container_id", options.container},
        {"outputs", nullptr}};
  }
  const auto known = options.names.find(recipient);
  const std::string& own = known != options.names.end() ? known->second : recipient;
  const auto dot = own.find('.');
  return {
      {"id", make_id("mcp_")},
      {"type", "mcp_call"},
      {"status", "in_progress"},
      {"approval_request_id", nullptr},
      {"arguments", ""},
      {"error", nullptr},
      {"name", own.substr(dot + 1)},
      {"output", nullptr},
      {"server_label", options.labels.at(own.substr(0, dot))}};
}

Json search_action(const agent::Item& call, const ItemOptions& options) {
  const auto* search = std::get_if<agent::WebSearchItem>(&call.details);
  if (search == nullptr) return page_action(std::get<agent::ToolCallItem>(call.details), options);
  Json action = {{"type", "search"}, {"query", search->query}, {"queries", Json::array({search->query})}};
  if (options.sources) {
    action["sources"] = Json::array();
    for (const std::string& url : search->sources) action["sources"].push_back(address(url));
  }
  return action;
}

Json interpreter_outputs(const agent::CommandItem& call, const ItemOptions& options) {
  Json outputs = Json::array();
  if (!call.aggregated_output.empty()) outputs.push_back({{"type", "logs"}, {"logs", call.aggregated_output}});
  std::size_t n_bytes = 0;
  for (const agent::FileNote& note : call.files) {
    if (!options.file || n_bytes + note.size > kImageBytesMax) continue;
    const std::string bytes = options.file(note.path);
    const std::string type = image_type(bytes);
    if (type.empty()) continue;
    n_bytes += bytes.size();
    outputs.push_back({{"type", "image"}, {"url", "data:" + type + ";base64," + base64(bytes)}});
  }
  return outputs;
}

const char* status_name(agent::ItemStatus status) { return status == agent::ItemStatus::kFailed ? "failed" : "completed"; }

}  // namespace toccata::server
