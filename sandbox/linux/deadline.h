#pragma once

#include <algorithm>
#include <chrono>
#include <climits>

namespace toccata::sandbox {

// A moment by which something must have happened.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Deadline(Clock::duration from_now) : at_(Clock::now() + from_now) {}

  bool passed() const { return Clock::now() >= at_; }
  // For poll(): what is left, rounded up; 0 when it has passed.
  int poll_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, INT_MAX));
  }

 private:
  Clock::time_point at_;
};

}  // namespace toccata::sandbox
