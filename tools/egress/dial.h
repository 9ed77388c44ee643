// Connects to where a request may go: directly, or through the user's own proxy.
#pragma once

#include <string>

#include "core/base/error.h"
#include "tools/egress/egress_rules.h"
#include "tools/egress/socket_io.h"

namespace toccata::tools {

// kUnavailable, kIo, kTimeout or kCancelled, with words that name no password.
Result<UniqueFd> dial(
    const Route& route, const WebUrl& url, const EgressRules& rules, const Deadline& deadline, const std::stop_token& stop
);

}  // namespace toccata::tools
