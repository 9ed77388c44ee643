// Which addresses a login may ask. A server's word widens nothing: what its metadata names is asked only where any page of the
// web could be, encrypted, or at origins that the user named.
#pragma once

#include <string>
#include <utility>

#include "core/base/error.h"
#include "tools/mcp/oauth_settings.h"
#include "tools/web/address_policy.h"

namespace toccata::tools::oauth {

class EndpointRules {
 public:
  // `server`: the MCP server's address. The user's settings name further ones: the issuer, the identity provider, `origins`. kInvalidArgument naming the text that is no
  // address; kPermissionDenied when the server is asked without encryption and is not on this machine: a token could be read on its way.
  static Result<EndpointRules> make(const std::string& server, const mcp::OAuthSettings& settings);

  // `what` names the address in errors: "token_endpoint". kPermissionDenied: no https outside of this machine, or an address that is
  // closed: private ones, and this machine, unless the server itself is on it or the user named the origin.
  Result<WebUrl> check(const std::string& url, const std::string& what) const;
  // For the connection to an address that check() let pass.
  AddressPolicy policy_for(const WebUrl& url) const;
  const WebUrl& server() const { return server_; }

 private:
  EndpointRules(WebUrl server, AddressPolicy policy) : server_(std::move(server)), policy_(std::move(policy)) {}
  WebUrl server_;
  AddressPolicy policy_;
};

}  // namespace toccata::tools::oauth
