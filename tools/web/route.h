// The way of one request: directly or through a proxy, and only to addresses that the policy allows.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "core/base/error.h"
#include "core/net/client.h"
#include "tools/web/address_policy.h"
#include "tools/web/proxy.h"

namespace toccata::tools {

// Sets the request's proxy, connect_policy and connect_to. The URL itself was judged before. `fixed`: the address of its name,
// where that is not to be looked up. kPermissionDenied: an address is refused, or cannot be judged; kCancelled.
Result<void> route(
    const AddressPolicy& policy, const ProxyRules& proxy, const WebUrl& url, const std::optional<std::string>& fixed,
    std::chrono::milliseconds timeout, std::stop_token stop, net::Request& request
);

}  // namespace toccata::tools
