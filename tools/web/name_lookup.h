// Addresses of a name, from the resolver of this machine.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

// Each once, in the resolver's order. kUnavailable when there are none, kTimeout, kCancelled. A resolver that hangs is left behind on a thread
// of its own.
Result<std::vector<std::string>> addresses_of(const std::string& host, std::chrono::milliseconds timeout, std::stop_token stop);

}  // namespace toccata::tools
