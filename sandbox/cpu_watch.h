// The CPU time of one execution: charged to an account while it runs, so that it can be stopped when the account is empty.
//
// The account is looked at when all processors together can have used up what is left of it, not before: a few times in an
// execution that comes near its end, once in others. Between two looks no more than kLook of each processor is used beyond it.
#pragma once

#include <chrono>

#include "sandbox/linux/spawn.h"
#include "sandbox/outcome.h"

namespace toccata::sandbox {

class CpuWatch {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Verdict {
    kWithin,
    kUsedUp,     // nothing is left
    kOverdrawn,  // by kGrace: what was to end it did not
  };
  static constexpr std::chrono::milliseconds kLook{5};
  static constexpr std::chrono::milliseconds kGrace{200};

  // Borrows `child`. Without an account nothing is used up.
  CpuWatch(const Child& child, CpuAccount account);

  // Looks, when it is time.
  Verdict look();
  // When it is time again.
  Clock::time_point next() const { return next_; }
  // Charges what was used since the last look. All that was charged.
  std::chrono::microseconds finish();

 private:
  void charge();

  const Child& child_;
  const CpuAccount account_;
  std::chrono::microseconds used_{0};
  std::chrono::microseconds left_ = std::chrono::microseconds::max();
  Clock::time_point next_ = Clock::now();
};

}  // namespace toccata::sandbox
