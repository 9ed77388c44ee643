// Where servers say who gives tokens for them, and what that one offers: protected resource metadata (RFC 9728), authorization
// server metadata (RFC 8414, OpenID Connect Discovery). Pure functions; every document is a stranger's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tools/web/web_url.h"

namespace toccata::tools::oauth {

constexpr std::size_t kDocumentBytesMax = std::size_t{256} << 10;

struct ResourceMetadata {
  std::string resource;  // as published: it is sent back unchanged
  std::vector<std::string> authorization_servers;
  std::optional<std::vector<std::string>> scopes_supported;
};

struct ServerMetadata {
  std::string issuer, authorization_endpoint, token_endpoint, registration_endpoint;  // the last three may be empty
  std::vector<std::string> scopes_supported, code_challenge_methods, token_auth_methods;
  bool iss_parameter = false;                 // its answers name the issuer (RFC 9207)
  bool client_id_metadata_documents = false;  // it reads the client's metadata at the address that is the client's id
};

// Addresses of the metadata of `server`, the MCP endpoint: at its path, then at the root.
std::vector<std::string> resource_metadata_urls(const WebUrl& server);
// Of an issuer: RFC 8414 with the path inserted, OpenID Connect with the path inserted, and with it in front.
std::vector<std::string> server_metadata_urls(const WebUrl& issuer);

// kCorrupt naming what is wrong. `resource` must be `server` or an address above it at the same origin.
Result<ResourceMetadata> parse_resource_metadata(std::string_view text, const WebUrl& server);
// kCorrupt naming what is wrong; kPermissionDenied when the document is of another issuer than `issuer`, letter by letter.
Result<ServerMetadata> parse_server_metadata(std::string_view text, const std::string& issuer);

// Where a redirect from `from` leads, when that is the same origin; nullopt: nowhere that is followed.
std::optional<std::string> same_origin_redirect(const WebUrl& from, std::string_view location);

}  // namespace toccata::tools::oauth
