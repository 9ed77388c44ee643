// Time as servers ask for it: how long to wait, and a clock that tests can own.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>

namespace toccata::tools {

struct WebClock {
  using Time = std::chrono::steady_clock::time_point;
  std::function<Time()> now;
  // False when `stop` was requested before the time was over.
  std::function<bool(std::chrono::milliseconds, std::stop_token)> sleep;

  static WebClock real();
};

// Of a Retry-After header, RFC 9110 section 10.2.3: seconds, or a date compared with `now`; never negative, at most a day. nullopt when it is
// neither.
std::optional<std::chrono::seconds> retry_after(std::string_view header, std::chrono::system_clock::time_point now);

}  // namespace toccata::tools
