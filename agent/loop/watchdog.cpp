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
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& quit) { sleep_and_fire(quit); });
    } else if (*deadline < next_wake_) {
      changed_.notify_one();
    }
  }
  return Watch(*this, std::move(entry));
}

void Watchdog::sleep_and_fire(const std::stop_token& quit) {
  std::unique_lock lock(mutex_);
  while (!quit.stop_requested()) {
    next_wake_ = Clock::time_point::max();
    for (const auto& entry : entries_) next_wake_ = std::min(next_wake_, entry->deadline);
    const auto seen = next_wake_;
    const auto earlier = [&] {
      return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return entry->deadline < seen;
      });
    };
    if (seen == Clock::time_point::max()) {
      changed_.wait(lock, quit, earlier);
    } else {
      changed_.wait_until(lock, quit, seen, earlier);
    }
    const auto now = Clock::now();
    std::vector<std::shared_ptr<Entry>> due;
    std::erase_if(entries_, [&](const auto& entry) {
      if (entry->deadline > now) return false;
      due.push_back(entry);
      return true;
    });
    lock.unlock();  // stop callbacks may run for a while
    for (const auto& entry : due) entry->source.request_stop();
    due.clear();
    lock.lock();
  }
}

}  // namespace toccata::agent
