// What is done to code that overstays: orders to the keeper, harder ones as time goes by.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

namespace toccata::sandbox {

// Why the host stepped in.
enum class Cause { kNone, kTimeout, kStopped, kFlood, kCpu };

class Ladder {
 public:
  using Clock = std::chrono::steady_clock;
  struct Step {
    std::chrono::milliseconds at;  // since the host stepped in
    char order;                    // to the keeper; 0 = give the session up, the last step
  };

  // Borrows `steps`. A flood goes to steps[kill] at once.
  Ladder(std::span<const Step> steps, std::size_t kill) : steps_(steps), kill_(kill) {}

  Cause cause() const { return cause_; }

  // The first cause counts; a flood that follows another still shortens the ladder.
  void step_in(Cause cause) {
    if (cause_ == Cause::kNone) {
      cause_ = cause;
      since_ = Clock::now();
    }
    if (cause == Cause::kFlood) hurry();
  }

  // To steps[kill] at once.
  void hurry() {
    if (climbed_ >= kill_) return;
    climbed_ = kill_;
    since_ = Clock::now() - steps_[kill_].at;
  }

  // When the next step is due; nullopt before the host has stepped in and after the last step.
  std::optional<Clock::time_point> next() const {
    if (cause_ == Cause::kNone || climbed_ == steps_.size()) return std::nullopt;
    return since_ + steps_[climbed_].at;
  }

  // The order of the step that is due, which is climbed by that.
  std::optional<char> climb() {
    const auto due = next();
    if (!due || Clock::now() < *due) return std::nullopt;
    return steps_[climbed_++].order;
  }

 private:
  std::span<const Step> steps_;
  std::size_t kill_;
  Cause cause_ = Cause::kNone;
  Clock::time_point since_;
  std::size_t climbed_ = 0;
};

}  // namespace toccata::sandbox
