// What a login leaves behind, and the requests that a token endpoint takes. Pure functions; nothing here asks anybody.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/oauth_settings.h"

namespace toccata::tools::oauth {

using mcp::Grant;
using mcp::IdentityProvider;
using Settings = mcp::OAuthSettings;

// Who we are to one authorization server, and to no other.
struct Registration {
  std::string issuer = {};
  std::string client_id = {}, client_secret = {};
  std::string auth_method = "none";  // none, client_secret_basic, client_secret_post, private_key_jwt
  std::string redirect_uri = {};
  std::int64_t secret_expires_at = 0;  // seconds since 1970; 0 = never
  bool self_made = false;              // by dynamic registration: may be used again
  friend bool operator==(const Registration&, const Registration&) = default;
};

struct Login {
  std::string server_url = {};  // whose it is: its tokens go nowhere else
  std::string resource = {};    // as the server calls itself
  std::string issuer = {}, token_endpoint = {};
  Registration client = {};
  std::string access_token = {}, refresh_token = {};
  std::int64_t expires_at = 0;        // seconds since 1970; 0 = not said
  std::vector<std::string> asked_for = {};  // scopes, in the order of asking
  std::vector<std::string> granted = {};    // as far as the server says; else those asked for
  friend bool operator==(const Login&, const Login&) = default;
};

// A file's text; the tokens are in it.
std::string to_json_text(const Login& login);
// kCorrupt for what to_json_text() does not write.
Result<Login> login_from_json(std::string_view text);

// An HTTP request, and what came of it.
struct Ask {
  std::string method = "GET", url = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  friend bool operator==(const Ask&, const Ask&) = default;
};
struct Answer {
  int status = 0;
  std::string body = {};
  std::string location = {};  // of a redirect
  std::vector<std::string> challenges = {};  // the headers WWW-Authenticate
};

// Where the moment and the dice come from.
struct World {
  std::function<std::int64_t()> now;                       // seconds since 1970
  std::function<std::string(std::size_t)> random_bytes;    // fit for secrets
  static World real();
};

using Form = std::vector<std::pair<std::string, std::string>>;
// application/x-www-form-urlencoded, without what is empty.
std::string form_text(const Form& form);
// A query; the same name twice is kCorrupt: two readers could differ.
Result<Form> parse_query(std::string_view text);
std::string value_of(const Form& form, std::string_view name);

// A POST to a token endpoint, with the client's proof of who it is. kInvalidArgument: the key of private_key_jwt is none.
Result<Ask> token_request(
    const std::string& endpoint, const std::string& audience, const Registration& client, const std::string& private_key, Form form, const World& world
);
// Fills in the tokens. kPermissionDenied: the endpoint refuses (`error` in its words); kCorrupt: no answer of a token endpoint;
// kUnsupported: another kind of token. Errors hold no token.
Result<Login> with_tokens(Login login, const Answer& answer, std::int64_t now);
// What an error document says: "invalid_grant: the code is unknown"; "" when it is none.
std::string refusal_of(std::string_view body);

Result<Ask> refresh_request(const Login& login, const std::string& private_key, const World& world);

}  // namespace toccata::tools::oauth
