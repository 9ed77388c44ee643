#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

namespace toccata::agent {

// Turns deadlines into stop requests. Its thread starts with the first deadline and sleeps between them.
//
//   Watchdog watchdog(outer);
//   Watchdog::Watch watch = watchdog.watch(deadline);
//   tool.call(arguments, watch.token());    // stopped by `outer` or at the deadline
class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

 private:
  struct Entry {
    Clock::time_point deadline;
    std::stop_source source;
  };
  using Chain = std::stop_callback<std::function<void()>>;

 public:
  explicit Watchdog(std::stop_token outer) : outer_(std::move(outer)) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Watches until it is destroyed. The watchdog must outlive it.
  class Watch {
   public:
    Watch(Watch&&) = default;
    Watch& operator=(Watch&&) = delete;
    ~Watch();
    std::stop_token token() const { return entry_->source.get_token(); }
    // As if its deadline had come.
    void request_stop() const { entry_->source.request_stop(); }

   private:
    friend class Watchdog;
    Watch(Watchdog& watchdog, std::shared_ptr<Entry> entry);
    Watchdog* watchdog_;
    std::shared_ptr<Entry> entry_;
    std::unique_ptr<Chain> chain_;
  };
  Watch watch(std::optional<Clock::time_point> deadline);

 private:
  void sleep_and_fire(const std::stop_token& quit);

  std::stop_token outer_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::shared_ptr<Entry>> entries_;
  Clock::time_point next_wake_ = Clock::time_point::max();
  std::jthread thread_;  // last: it stops before the members it uses go
};

}  // namespace toccata::agent
