#include "agent/server/access_policy.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>

#include "agent/server/web_page.h"

namespace toccata::server {
namespace {

// "[::1]:80" -> "::1", "localhost:80" -> "localhost".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.rfind(':'));
}

bool is_ip_address(std::string_view host) {
  if (host.empty()) return false;
  if (host.find(':') != std::string_view::npos) return true;
  return std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Pages and probes that carry no secret.
bool is_public(const HttpRequest& request) {
  if (request.method == "OPTIONS") return true;
  const std::string& path = request.path;
  if ((request.method == "GET" || request.method == "HEAD") && find_web_asset(path) != nullptr) return true;
  return path == "/health" ||
         path == "/healthz" || path == "/ready" || path == "/health/ready" || path == "/version";
}

}  // namespace

bool AccessPolicy::host_allowed(std::string_view host) const {
  const std::string_view name = without_port(host);
  if (name.empty() || name == "localhost" || is_ip_address(name)) return true;
  return std::find(options_.allowed_hosts.begin(), options_.allowed_hosts.end(), name) !=
         options_.allowed_hosts.end();
}

bool is_own_origin(const HttpRequest& request) {
  const std::string_view origin = request.header("origin");
  return origin.empty() || origin == "http://" + std::string(request.header("host"));
}

bool AccessPolicy::origin_allowed(const HttpRequest& request) const {
  if (is_own_origin(request)) return true;
  const std::string_view origin = request.header("origin");
  return std::any_of(
      options_.cors_origins.begin(), options_.cors_origins.end(),
      [&](const std::string& allowed) { return allowed == "*" || allowed == origin; }
  );
}

bool AccessPolicy::key_valid(const HttpRequest& request) const {
  std::string_view given = request.header("x-api-key");
  const std::string_view authorization = request.header("authorization");
  if (authorization.starts_with("Bearer ")) given = authorization.substr(7);
  bool valid = false;
  for (const std::string& key : options_.api_keys) valid |= equal_in_constant_time(key, given);
  return valid;
}

std::optional<ApiError> AccessPolicy::refusal(const HttpRequest& request) const {
  if (!host_allowed(request.header("host"))) {
    return ApiError(
        403, "the Host header names a server that this is not; allow it with --allow-host",
        "host_not_allowed"
    );
  }
  if (!origin_allowed(request)) {
    return ApiError(
        403, "requests from pages of this origin are not allowed; allow it with --cors-origin",
        "origin_not_allowed"
    );
  }
  if (options_.api_keys.empty() || is_public(request) || key_valid(request)) return std::nullopt;
  return ApiError(
      401, "missing or wrong API key; send it as Authorization: Bearer KEY or x-api-key: KEY",
      "invalid_api_key"
  );
}

std::vector<std::pair<std::string, std::string>> AccessPolicy::cors_headers(
    const HttpRequest& request
) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !origin_allowed(request)) return {};
  return {
      {"Access-Control-Allow-Origin", std::string(origin)},
      {"Vary", "Origin"},
      {"Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"},
      {"Access-Control-Allow-Headers", "authorization, content-type, x-api-key, x-request-id, "
                                       "anthropic-version, anthropic-beta, openai-beta"},
      {"Access-Control-Expose-Headers", "x-request-id"},
      {"Access-Control-Max-Age", "600"}};
}

}  // namespace toccata::server
