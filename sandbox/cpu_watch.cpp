#include "sandbox/cpu_watch.h"

#include <algorithm>
#include <thread>

namespace toccata::sandbox {
namespace {

using std::chrono::microseconds;

// Of an account without end: what a session has used is known when its processes are gone, but for this much.
constexpr std::chrono::seconds kSeldom{1};

int processors() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

}  // namespace

CpuWatch::CpuWatch(const Child& child, CpuAccount account) : child_(child), account_(std::move(account)) {}

void CpuWatch::charge() {
  const microseconds taken = child_.take_cpu_time();
  used_ += taken;
  if (account_) left_ = account_(taken);
}

CpuWatch::Verdict CpuWatch::look() {
  if (Clock::now() >= next_) {
    charge();
    const microseconds until = left_ > microseconds(0) ? left_ : left_ + kGrace;
    next_ = Clock::now() + std::clamp<microseconds>(until / processors(), kLook, kSeldom);
  }
  if (left_ > microseconds(0)) return Verdict::kWithin;
  return left_ > -kGrace ? Verdict::kUsedUp : Verdict::kOverdrawn;
}

microseconds CpuWatch::finish() {
  charge();
  return used_;
}

}  // namespace toccata::sandbox
