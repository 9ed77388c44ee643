// "oauth" of a server's entry in mcp.json: who this client is, and how it gets its tokens.
#pragma once

#include <string>
#include <vector>

namespace toccata::tools::mcp {

enum class Grant {
  kAuthorizationCode,  // the user logs in with a browser
  kClientCredentials,  // the client is its own user
  kJwtBearer,          // a token that somebody else gave for this is exchanged
};

// Who vouches for the user in a company (cross-app access): its tokens are exchanged for one that the server's own
// authorization server takes.
struct IdentityProvider {
  std::string token_endpoint = {};  // empty: there is none
  std::string client_id = {}, client_secret = {};
  std::string id_token = {};
  friend bool operator==(const IdentityProvider&, const IdentityProvider&) = default;
};

struct OAuthSettings {
  Grant grant = Grant::kAuthorizationCode;
  std::string client_id = {}, client_secret = {};  // registered beforehand; empty: the client registers itself
  std::string issuer = {};               // the one authorization server that this is for; empty: whichever the server names
  std::string client_metadata_url = {};  // https address of this client's metadata, for servers that read it there
  std::string token_auth_method = {};    // empty: what the authorization server takes
  std::string private_key = {};          // PEM, for private_key_jwt
  std::string assertion = {};            // of kJwtBearer, without an identity provider
  IdentityProvider identity = {};
  std::vector<std::string> scopes = {};  // empty: what the server asks for
  std::vector<std::string> origins = {};  // further ones that a login may ask
  int callback_port = 0;                 // of the redirect address; 0: any free one
  friend bool operator==(const OAuthSettings&, const OAuthSettings&) = default;
};

}  // namespace toccata::tools::mcp
