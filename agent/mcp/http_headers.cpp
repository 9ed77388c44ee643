#include "agent/mcp/http_headers.h"

#include "core/base/base64.h"

namespace toccata::mcp {
namespace {

using namespace tools::mcp;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Refusal mismatch(const std::string& what) { return {kHeaderMismatch, "header mismatch: " + what}; }

// The member of params that Mcp-Name repeats; null for methods without one.
const char* named_by(const std::string& method) {
  if (method == "tools/call" || method == "prompts/get") return "name";
  if (method == "resources/read") return "uri";
  return nullptr;
}

std::optional<Refusal> compare(const server::HttpRequest& http, const char* name, const std::string& expected) {
  if (!http.headers.contains(std::string_view(name))) return mismatch(std::string(name) + " is missing");
  const auto value = header_value(http.header(name));
  if (!value) return mismatch(std::string(name) + " is no valid base64");
  if (*value == expected) return std::nullopt;
  return mismatch(std::string(name) + " is '" + excerpt(*value, 80) + "', the body says '" + excerpt(expected, 80) + "'");
}

}  // namespace

std::optional<std::string> header_value(std::string_view text) {
  constexpr std::string_view kOpen = "=?base64?", kClose = "?=";
  text = trimmed(text);
  if (!text.starts_with(kOpen) || !text.ends_with(kClose) || text.size() < kOpen.size() + kClose.size()) return std::string(text);
  text.remove_prefix(kOpen.size());
  text.remove_suffix(kClose.size());
  return from_base64(text);
}

std::optional<Refusal> check_headers(const server::HttpRequest& http, const Message& request) {
  if (auto refusal = compare(http, "mcp-protocol-version", version_in(request).value_or(""))) return refusal;
  if (auto refusal = compare(http, "mcp-method", request.method)) return refusal;
  const char* const member = named_by(request.method);
  if (member == nullptr || !request.body.is_object()) return std::nullopt;
  const auto named = request.body.find(member);
  if (named == request.body.end() || !named->is_string()) return std::nullopt;  // refused as params
  return compare(http, "mcp-name", named->get<std::string>());
}

bool accepts(const server::HttpRequest& http, std::string_view type) {
  const std::string_view accept = http.header("accept");
  const std::string_view family = type.substr(0, type.find('/') + 1);
  return accept.empty() || accept.find("*/*") != std::string_view::npos || accept.find(type) != std::string_view::npos ||
         accept.find(std::string(family) + "*") != std::string_view::npos;
}

}  // namespace toccata::mcp
