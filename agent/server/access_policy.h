// Who may ask: API keys, and the two checks that keep web pages of others away from a local server.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/server/api_error.h"
#include "agent/server/http_server.h"

namespace toccata::server {

struct AccessOptions {
  std::vector<std::string> api_keys = {};  // empty: everyone who can reach the port
  // Host names, without port, that a request may name besides localhost and IP addresses (a page that rebinds its own
  // name to 127.0.0.1 would name that).
  std::vector<std::string> allowed_hosts = {};
  // Origins of web pages, "https://chat.example", besides the server's own; "*" allows any.
  std::vector<std::string> cors_origins = {};
};

// No page asks, or one that this server served.
bool is_own_origin(const HttpRequest& request);

class AccessPolicy {
 public:
  explicit AccessPolicy(AccessOptions options) : options_(std::move(options)) {}
  // 403 for a foreign Host or Origin, 401 without a valid key; the built-in page,
  // /health, /ready and preflights need no key.
  std::optional<ApiError> refusal(const HttpRequest& request) const;
  std::vector<std::pair<std::string, std::string>> cors_headers(const HttpRequest& request) const;

 private:
  bool host_allowed(std::string_view host) const;
  bool origin_allowed(const HttpRequest& request) const;
  bool key_valid(const HttpRequest& request) const;
  AccessOptions options_;
};

}  // namespace toccata::server
