#include "tools/oauth/endpoint_rules.h"

#include <utility>

namespace toccata::tools::oauth {

Result<EndpointRules> EndpointRules::make(const std::string& server, const mcp::OAuthSettings& settings) {
  Result<WebUrl> url = parse_web_url(server);
  if (!url) return Error{ErrorCode::kInvalidArgument, "url is no address: " + url.error().message};
  if (!url->tls && !is_this_machine(*url)) {
    return Error{ErrorCode::kPermissionDenied, "a login is for https only, and its url is " + url->origin() + ": its token could be read on the way"};
  }
  AddressPolicy policy;
  policy.allowed_origins.push_back(*url);
  std::vector<std::string> named = settings.origins;
  if (!settings.issuer.empty()) named.push_back(settings.issuer);
  if (!settings.identity.token_endpoint.empty()) named.push_back(settings.identity.token_endpoint);
  for (const std::string& origin : named) {
    Result<WebUrl> parsed = parse_web_url(origin);
    if (!parsed) return Error{ErrorCode::kInvalidArgument, "its oauth entry has the address '" + origin.substr(0, 100) + "': " + parsed.error().message};
    policy.allowed_origins.push_back(std::move(*parsed));
  }
  return EndpointRules(std::move(*url), std::move(policy));
}

Result<WebUrl> EndpointRules::check(const std::string& url, const std::string& what) const {
  const auto wrong = [&](const std::string& why) { return Error{ErrorCode::kPermissionDenied, what + " may not be asked: " + why}; };
  Result<WebUrl> parsed = parse_web_url(url);
  if (!parsed) return wrong(parsed.error().message);
  if (!parsed->tls && !is_this_machine(*parsed)) return wrong(parsed->origin() + " is not https");
  const Verdict verdict = judge_url(policy_for(*parsed), *parsed);
  if (!verdict.allow) return wrong(verdict.reason + "; if it is meant, name " + parsed->origin() + " in oauth.origins");
  return parsed;
}

AddressPolicy EndpointRules::policy_for(const WebUrl& url) const {
  AddressPolicy policy = policy_;
  if (is_this_machine(server_) && is_this_machine(url)) policy.allowed_origins.push_back(url);
  return policy;
}

}  // namespace toccata::tools::oauth
