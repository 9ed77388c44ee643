// A clock that moves only when somebody sleeps.
#pragma once

#include <chrono>
#include <vector>

#include "tools/web/web_time.h"

namespace toccata::testing {

struct FakeTime {
  tools::WebClock::Time now{};
  std::vector<std::chrono::milliseconds> slept;
  tools::WebClock clock() {
    return {[this] { return now; }, [this](std::chrono::milliseconds time, std::stop_token stop) {
              slept.push_back(time);
              now += time;
              return !stop.stop_requested();
            }};
  }
};

}  // namespace toccata::testing
