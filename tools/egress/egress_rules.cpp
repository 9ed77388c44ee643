#include "tools/egress/egress_rules.h"

#include <utility>

#include "tools/web/name_lookup.h"

namespace toccata::tools {
namespace {

// A tunnel has no scheme: an exception for either counts.
WebUrl as_judged(const AddressPolicy& policy, const ProxyRequest& request) {
  WebUrl plain = request.url;
  plain.tls = false;
  return request.tunnel && exception_for(policy, request.url) == nullptr && exception_for(policy, plain) != nullptr ? plain : request.url;
}

void except_addresses(const AllowList& hosts, AddressPolicy& policy) {
  for (const AllowList::Entry& entry : hosts.entries()) {
    if (!entry.host.literal) continue;
    for (const int port : entry.ports) {
      WebUrl origin = entry.host;
      origin.port = port;
      for (const bool tls : {false, true}) {
        origin.tls = tls;
        policy.allowed_origins.push_back(origin);
      }
    }
  }
}

Result<void> check_entries(const AllowList& hosts, const AddressPolicy& policy) {
  for (const AllowList::Entry& entry : hosts.entries()) {
    ProxyRequest request{true, entry.host, {}, 0};
    request.url.tls = true;
    if (entry.below) request.url.host = "any." + request.url.host;
    for (const int port : entry.ports) {
      request.url.port = port;
      const WebUrl url = as_judged(policy, request);
      const Verdict verdict = judge_url(policy, url);
      if (verdict.allow) continue;
      const std::string help = entry.below ? "" : "; --allow-origin " + url.origin() + " would open it";
      return Error{ErrorCode::kInvalidArgument, "--sandbox-net is '" + entry.text.substr(0, 200) + "': " + verdict.reason + help};
    }
  }
  return {};
}

Error denied(const std::string& reason) { return {ErrorCode::kPermissionDenied, reason}; }

}  // namespace

Result<EgressRules> EgressRules::make(
    const std::vector<std::string>& hosts, const std::vector<std::string>& origins, ProxyRules proxy, Resolve resolve
) {
  auto list = AllowList::make(hosts);
  if (!list) return list.error();
  auto policy = AddressPolicy::with_origins(origins);
  if (!policy) return policy.error();
  except_addresses(*list, *policy);
  if (const auto sound = check_entries(*list, *policy); !sound) return sound.error();
  for (const std::string& url : {proxy.for_http, proxy.for_https}) {
    if (!url.starts_with("https://")) continue;
    return Error{
        ErrorCode::kUnsupported, "--sandbox-net cannot go through a proxy that is itself spoken to by https; give an http:// one, or --proxy none"};
  }
  EgressRules rules;
  rules.hosts_ = std::move(*list);
  rules.addresses_ = std::move(*policy);
  rules.proxy_ = std::move(proxy);
  rules.resolve_ = resolve ? std::move(resolve) : Resolve(addresses_of);
  return rules;
}

Result<Route> EgressRules::route(const ProxyRequest& request, std::chrono::milliseconds timeout, std::stop_token stop) const {
  if (!hosts_.allows(request.url)) {
    return denied("it is not on the list of hosts that this session may reach: " + hosts_.text());
  }
  const WebUrl url = as_judged(addresses_, request);
  if (const Verdict verdict = judge_url(addresses_, url); !verdict.allow) return denied(verdict.reason);
  Route route;
  route.proxy = proxy_.proxy_for(request.url);
  if (url.literal) {
    route.addresses = {url.host};
  } else {
    auto found = resolve_(url.host, timeout, stop);
    if (!found && found.error().code != ErrorCode::kCancelled && !route.proxy.empty() && proxy_.trust_names) return route;
    if (!found) return found.error();
    route.addresses = std::move(*found);
  }
  for (const std::string& address : route.addresses) {
    if (const Verdict verdict = judge_address(addresses_, url, address); !verdict.allow) return denied(verdict.reason);
  }
  if (route.addresses.empty()) return Error{ErrorCode::kUnavailable, url.host + " has no address"};
  return route;
}

Result<std::vector<std::string>> EgressRules::addresses_of_proxy(
    const WebUrl& proxy, std::chrono::milliseconds timeout, std::stop_token stop
) const {
  if (proxy.literal) return std::vector{proxy.host};
  return resolve_(proxy.host, timeout, stop);
}

}  // namespace toccata::tools
