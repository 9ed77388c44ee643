#include "tools/oauth/metadata.h"

#include "tools/mcp/message.h"
#include "tools/oauth/challenge.h"

namespace toccata::tools::oauth {
namespace {

using mcp::excerpt;
using mcp::Json;

constexpr std::size_t kListMax = 64;
constexpr std::size_t kUrlBytesMax = 2048;

Error corrupt(const std::string& what) { return Error{ErrorCode::kCorrupt, what}; }

// "/mcp" of "/mcp?x=1"; "" of "/".
std::string path_of(const WebUrl& url) {
  std::string path = url.target.substr(0, url.target.find('?'));
  while (path.ends_with('/')) path.pop_back();
  return path;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  const auto& text = found->get_ref<const std::string&>();
  return text.size() <= kUrlBytesMax ? text : std::string();
}

bool flag_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::optional<std::vector<std::string>> texts_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& one : *found) {
    if (texts.size() == kListMax) break;
    if (one.is_string() && one.get_ref<const std::string&>().size() <= kUrlBytesMax) texts.push_back(one.get<std::string>());
  }
  return texts;
}

Result<Json> document(std::string_view text) {
  if (text.size() > kDocumentBytesMax) return corrupt("it has more than " + std::to_string(kDocumentBytesMax) + " bytes");
  return mcp::parse_object(text);
}

bool same_origin(const WebUrl& a, const WebUrl& b) { return a.tls == b.tls && a.host == b.host && a.port == b.port; }

// Whether a token for `resource` is one for `server`: RFC 9728 section 3.3; MCP lets a resource stand for all below it.
bool covers(const WebUrl& resource, const WebUrl& server) {
  if (!same_origin(resource, server)) return false;
  if (resource.target == server.target) return true;
  const std::string above = path_of(resource), path = path_of(server);
  if (resource.target.find('?') != std::string::npos) return false;
  return path == above || path.starts_with(above + "/");
}

}  // namespace

std::vector<std::string> resource_metadata_urls(const WebUrl& server) {
  const std::string root = server.origin() + "/.well-known/oauth-protected-resource", path = path_of(server);
  if (path.empty()) return {root};
  return {root + path, root};
}

std::vector<std::string> server_metadata_urls(const WebUrl& issuer) {
  const std::string origin = issuer.origin(), path = path_of(issuer);
  const std::string oauth = "/.well-known/oauth-authorization-server", openid = "/.well-known/openid-configuration";
  if (path.empty()) return {origin + oauth, origin + openid};
  return {origin + oauth + path, origin + openid + path, origin + path + openid};
}

Result<ResourceMetadata> parse_resource_metadata(std::string_view text, const WebUrl& server) {
  const Result<Json> json = document(text);
  if (!json) return corrupt("the protected resource metadata: " + json.error().message);
  ResourceMetadata metadata;
  metadata.resource = text_of(*json, "resource");
  const Result<WebUrl> resource = parse_web_url(metadata.resource);
  const bool has_fragment = metadata.resource.find('#') != std::string::npos;
  if (!resource || has_fragment || !covers(*resource, server)) {
    return Error{
        ErrorCode::kPermissionDenied, "the protected resource metadata is of the resource '" + excerpt(metadata.resource, 200) + "', expected " +
                                          server.text() + " or an address above it: a token for one is none for the other"};
  }
  metadata.authorization_servers = texts_of(*json, "authorization_servers").value_or(std::vector<std::string>());
  if (metadata.authorization_servers.empty()) return corrupt("the protected resource metadata names no authorization_servers");
  if (const auto scopes = texts_of(*json, "scopes_supported")) {
    metadata.scopes_supported.emplace();
    for (const std::string& scope : *scopes) metadata.scopes_supported = with_scopes(*metadata.scopes_supported, parse_scopes(scope));
  }
  return metadata;
}

Result<ServerMetadata> parse_server_metadata(std::string_view text, const std::string& issuer) {
  const Result<Json> json = document(text);
  if (!json) return corrupt("the authorization server metadata: " + json.error().message);
  ServerMetadata metadata;
  metadata.issuer = text_of(*json, "issuer");
  if (metadata.issuer != issuer) {
    return Error{
        ErrorCode::kPermissionDenied, "the authorization server metadata is of the issuer '" + excerpt(metadata.issuer, 200) + "', expected '" +
                                          excerpt(issuer, 200) + "' letter by letter: somebody else's may not be used"};
  }
  metadata.authorization_endpoint = text_of(*json, "authorization_endpoint");
  metadata.token_endpoint = text_of(*json, "token_endpoint");
  metadata.registration_endpoint = text_of(*json, "registration_endpoint");
  const auto list = [&](const char* key) { return texts_of(*json, key).value_or(std::vector<std::string>()); };
  metadata.scopes_supported = list("scopes_supported");
  metadata.code_challenge_methods = list("code_challenge_methods_supported");
  // RFC 8414 section 2: what it is where nothing is said.
  metadata.token_auth_methods = texts_of(*json, "token_endpoint_auth_methods_supported").value_or(std::vector<std::string>{"client_secret_basic"});
  metadata.iss_parameter = flag_of(*json, "authorization_response_iss_parameter_supported");
  metadata.client_id_metadata_documents = flag_of(*json, "client_id_metadata_document_supported");
  if (metadata.token_endpoint.empty()) return corrupt("the authorization server metadata of " + excerpt(issuer, 200) + " names no token_endpoint");
  return metadata;
}

std::optional<std::string> same_origin_redirect(const WebUrl& from, std::string_view location) {
  const std::string to = location.starts_with('/') && !location.starts_with("//") ? from.origin() + std::string(location) : std::string(location);
  const Result<WebUrl> url = parse_web_url(to);
  if (!url || !same_origin(*url, from)) return std::nullopt;
  return url->text();
}

}  // namespace toccata::tools::oauth
