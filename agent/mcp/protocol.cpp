#include "agent/mcp/protocol.h"

#include <algorithm>
#include <array>

#include "core/base/json.h"

namespace toccata::mcp {
namespace {

constexpr std::size_t kCompletionsMax = 100;
constexpr std::array<std::string_view, 4> kLegacyVersions = {kLatestLegacyVersion, "2025-06-18", "2025-03-26", "2024-11-05"};
constexpr std::array<std::string_view, 8> kLevels = {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};
constexpr int kLastingMs = 3'600'000;

Json server_info(const ServerIdentity& identity) {
  return Json{{"name", "toccata"}, {"title", "Toccata"}, {"version", identity.version}};
}

Json capabilities(const Service& service, Era era) {
  Json json = Json::object();
  if (era == Era::kLegacy) json["logging"] = Json::object();
  json["tools"] = Json::object();
  if (service.has_resources()) json["resources"] = era == Era::kLegacy ? Json{{"subscribe", true}} : Json::object();
  if (!service.prompts().empty()) json["prompts"] = Json::object();
  if (can_complete(service)) json["completions"] = Json::object();
  return json;
}

Json tool_json(const ToolInfo& tool) {
  Json json{
      {"name", tool.name},
      {"title", tool.title},
      {"description", tool.description},
      {"inputSchema", json_from_valid<Json>(tool.input_schema)}};
  if (!tool.output_schema.empty()) json["outputSchema"] = json_from_valid<Json>(tool.output_schema);
  json["annotations"] = {
      {"title", tool.title},
      {"readOnlyHint", tool.read_only},
      {"destructiveHint", tool.destructive},
      {"idempotentHint", tool.idempotent},
      {"openWorldHint", tool.open_world}};
  return json;
}

}  // namespace

bool can_complete(const Service& service) { return service.has_resources() || !service.prompts().empty(); }

bool is_legacy_version(std::string_view version) {
  return std::find(kLegacyVersions.begin(), kLegacyVersions.end(), version) != kLegacyVersions.end();
}

const Json* meta_of(const Message& message) {
  if (!message.body.is_object()) return nullptr;
  const auto meta = message.body.find("_meta");
  return meta != message.body.end() && meta->is_object() ? &*meta : nullptr;
}

std::optional<std::string> version_in(const Message& message) {
  const Json* meta = meta_of(message);
  if (meta == nullptr) return std::nullopt;
  const auto version = meta->find(kVersionKey);
  if (version == meta->end() || !version->is_string()) return std::nullopt;
  return version->get<std::string>();
}

std::optional<Refusal> check_envelope(const Message& request) {
  const Json* meta = meta_of(request);
  if (meta == nullptr) {
    return Refusal{
        tools::mcp::kInvalidParams, std::string("params._meta is missing; a request of ") + std::string(kModernVersion) +
                                        " carries " + kVersionKey + " and " + kCapabilitiesKey + " in it"};
  }
  const auto version = meta->find(kVersionKey);
  if (version == meta->end() || !version->is_string()) {
    return Refusal{tools::mcp::kInvalidParams, std::string("params._meta lacks the string ") + kVersionKey};
  }
  const auto capabilities = meta->find(kCapabilitiesKey);
  if (capabilities == meta->end() || !capabilities->is_object()) {
    return Refusal{tools::mcp::kInvalidParams, std::string("params._meta lacks the object ") + kCapabilitiesKey};
  }
  return std::nullopt;
}

std::optional<Refusal> check_version(const Message& request) {
  const std::string version = version_in(request).value_or("");
  if (version == kModernVersion) return std::nullopt;
  return Refusal{
      tools::mcp::kUnsupportedVersion, "protocol version '" + tools::mcp::excerpt(version, 40) + "' is not supported",
      Json{{"supported", Json::array({std::string(kModernVersion)})}, {"requested", version}}};
}

Json progress_token(const Message& request) {
  const Json* meta = meta_of(request);
  if (meta == nullptr) return nullptr;
  const auto token = meta->find("progressToken");
  return token != meta->end() && (token->is_string() || token->is_number_integer()) ? *token : Json();
}

std::optional<int> log_severity(std::string_view level) {
  const auto found = std::find(kLevels.begin(), kLevels.end(), level);
  if (found == kLevels.end()) return std::nullopt;
  return static_cast<int>(found - kLevels.begin());
}

Json initialize_result(const Message& request, const ServerIdentity& identity, const Service& service) {
  std::string version(kLatestLegacyVersion);
  if (request.body.is_object()) {
    const Json asked = request.body.value("protocolVersion", Json());
    if (asked.is_string() && is_legacy_version(asked.get_ref<const std::string&>())) version = asked;
  }
  Json result{
      {"protocolVersion", version},
      {"capabilities", capabilities(service, Era::kLegacy)},
      {"serverInfo", server_info(identity)}};
  if (!identity.instructions.empty()) result["instructions"] = identity.instructions;
  return result;
}

Json discover_result(const ServerIdentity& identity, const Service& service) {
  Json result{{"supportedVersions", Json::array({std::string(kModernVersion)})}, {"capabilities", capabilities(service, Era::kModern)}};
  if (!identity.instructions.empty()) result["instructions"] = identity.instructions;
  return result;
}

Json tools_result(const Service& service) {
  Json tools = Json::array();
  for (const ToolInfo& tool : service.tools()) tools.push_back(tool_json(tool));
  return Json{{"tools", std::move(tools)}};
}

Json prompts_result(const std::vector<PromptInfo>& prompts) {
  Json list = Json::array();
  for (const PromptInfo& prompt : prompts) {
    Json arguments = Json::array();
    for (const auto& [name, description, required] : prompt.arguments) {
      arguments.push_back({{"name", name}, {"description", description}, {"required", required}});
    }
    list.push_back({{"name", prompt.name}, {"title", prompt.title}, {"description", prompt.description}, {"arguments", std::move(arguments)}});
  }
  return Json{{"prompts", std::move(list)}};
}

Json call_result(CallResult result) {
  Json json{{"content", std::move(result.content)}, {"isError", result.is_error}};
  if (!result.structured.is_null()) json["structuredContent"] = std::move(result.structured);
  return json;
}

Json completion_result(std::vector<std::string> values) {
  const std::size_t total = values.size();
  if (total > kCompletionsMax) values.resize(kCompletionsMax);
  return Json{{"completion", {{"values", std::move(values)}, {"total", total}, {"hasMore", total > kCompletionsMax}}}};
}

void modernize(Json& result, Freshness freshness, const ServerIdentity& identity) {
  result["resultType"] = "complete";
  if (freshness != Freshness::kNotKept) {
    result["ttlMs"] = freshness == Freshness::kLasting ? kLastingMs : 0;
    result["cacheScope"] = freshness == Freshness::kLasting ? "public" : "private";
  }
  result["_meta"]["io.modelcontextprotocol/serverInfo"] = server_info(identity);
}

Json progress_params(const Json& token, std::int64_t progress, const std::string& message) {
  return Json{{"progressToken", token}, {"progress", progress}, {"message", message}};
}

Json log_params(const char* level, const std::string& text) {
  return Json{{"level", level}, {"logger", "toccata"}, {"data", text}};
}

}  // namespace toccata::mcp
