// One request of a login, under its rules: nothing is followed, every answer is small, and only an address that may be asked is
// connected to, whatever its name resolves to.
#pragma once

#include <chrono>
#include <stop_token>

#include "core/base/error.h"
#include "tools/oauth/endpoint_rules.h"
#include "tools/oauth/login.h"
#include "tools/web/proxy.h"

namespace toccata::tools::oauth {

constexpr std::chrono::milliseconds kAskTime{20'000};

// kPermissionDenied: the rules; else as net::Client. Errors name the origin and hold nothing of the request.
Result<Answer> fetch(const Ask& ask, const EndpointRules& rules, const ProxyRules& proxy, std::stop_token stop);

}  // namespace toccata::tools::oauth
