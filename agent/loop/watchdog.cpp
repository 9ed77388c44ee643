#include "agent/loop/watchdog.h"

#include <algorithm>
#include <functional>

namespace toccata::agent {

Watchdog::Watch::Watch(Watchdog& watchdog, std::shared_ptr<Entry> entry)
    : watchdog_(&watchdog),
      entry_(std::move(entry)),
      chain_(std::make_unique<Chain>(watchdog.outer_, [entry = entry_] {
        entry->source.request_stop();
      })) {}

Watchdog::Watch::~Watch() {
  if (!entry_) return;  // moved from
  std::lock_guard lock(watchdog_->mutex_);
  std::erase(watchdog_->entries_, entry_);
}

Watchdog::Watch Watchdog::watch(std::optional<Clock::time_point> deadline) {
  auto entry = std::make_shared<Entry>();
  if (deadline) {
    entry->deadline = *deadline;
    std::lock_guard lock(mutex_);
    entries_.push_back(entry);
    if (*deadline < next_wake_) {
      next_wake_ = *deadline;
      changed_.notify_one();
    }
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& quit) { sleep_and_fire(quit); });
    }
  }
  return Watch(*this, std::move(entry));
}

// next_wake_ is not moved back when its watch is over: most watches are over long before their deadline, and a thread
// that sleeps on costs nothing, while waking it costs each tool call a context switch.
void Watchdog::sleep_and_fire(const std::stop_token& quit) {
  std::unique_lock lock(mutex_);
  while (!quit.stop_requested()) {
    const auto wake = next_wake_;
    const auto earlier = [&] { return next_wake_ < wake; };
    if (wake == Clock::time_point::max()) {
      changed_.wait(lock, quit, earlier);
      continue;
    }
    if (changed_.wait_until(lock, quit, wake, earlier)) continue;
    const auto now = Clock::now();
    std::vector<std::shared_ptr<Entry>> due;
    next_wake_ = Clock::time_point::max();
    std::erase_if(entries_, [&](const auto& entry) {
      if (entry->deadline <= now) due.push_back(entry);
      if (entry->deadline > now) next_wake_ = std::min(next_wake_, entry->deadline);
      return entry->deadline <= now;
    });
    lock.unlock();  // stop callbacks may run for a while
    for (const auto& entry : due) entry->source.request_stop();
    due.clear();
    lock.lock();
  }
}

}  // namespace toccata::agent
