#include "tools/web/route.h"

#include "tools/web/name_lookup.h"

namespace toccata::tools {

// Directly, what is connected to is what is judged: the answer of a name server cannot change in between. Through a proxy: see proxy.h.
Result<void> route(
    const AddressPolicy& policy, const ProxyRules& proxy, const WebUrl& url, const std::optional<std::string>& fixed,
    std::chrono::milliseconds timeout, std::stop_token stop, net::Request& request
) {
  const auto judged = [policy, url](const std::string& address) -> std::optional<std::string> {
    const Verdict verdict = judge_address(policy, url, address);
    return verdict.allow ? std::nullopt : std::optional(verdict.reason);
  };
  request.proxy = proxy.proxy_for(url);
  if (request.proxy.empty()) {
    request.connect_policy = [judged](const net::PeerAddress& peer) { return judged(peer.ip); };
    return {};
  }
  if (url.literal) return {};  // judged with the URL
  auto addresses = fixed ? Result<std::vector<std::string>>(std::vector{*fixed}) : addresses_of(url.host, timeout, stop);
  if (!addresses) {
    if (addresses.error().code == ErrorCode::kCancelled) return addresses.error();
    if (proxy.trust_names) return {};
    return Error{
        ErrorCode::kPermissionDenied, "not allowed: " + addresses.error().message +
                                          ", so what the proxy would connect to cannot be judged (the user can leave that to the proxy)"};
  }
  for (const std::string& address : *addresses) {
    if (const auto reason = judged(address)) return Error{ErrorCode::kPermissionDenied, "not allowed: " + *reason};
  }
  request.connect_to = addresses->front();
  return {};
}

}  // namespace toccata::tools
