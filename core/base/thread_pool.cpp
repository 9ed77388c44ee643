#include "core/base/thread_pool.h"

#include <algorithm>

namespace toccata {
namespace {

// Some 20 us: longer than the gap between two ops, shorter than a time slice by far.
constexpr int kSpins = 500;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether `done` came true within the spin.
template <typename Condition>
bool spin_until(const Condition& done) {
  for (int i = 0; i < kSpins; ++i) {
    if (done()) return true;
    pause();
  }
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  if (n_threads <= 0) n_threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(
    std::size_t n, std::size_t grain, const std::function<void(std::size_t, std::size_t)>& body
) {
  if (n == 0) return;
  if (workers_.empty() || n <= grain) {
    body(0, n);
    return;
  }
  const std::lock_guard caller(callers_);
  body_ = &body;
  n_ = n;
  // A few chunks a thread, so that a thread the system took away does not hold up the rest.
  chunk_ = std::max(grain, n / (static_cast<std::size_t>(size()) * 4) + 1);
  next_ = 0;
  busy_ = static_cast<int>(workers_.size());
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    ++generation_;  // publishes all of the above
    wake = n_asleep_ > 0;
  }
  if (wake) wake_.notify_all();
  run_chunks();
  wait_for_workers();
  body_ = nullptr;
}

void ThreadPool::wait_for_workers() {
  const auto finished = [this] { return busy_ == 0; };
  if (spin_until(finished)) return;
  std::unique_lock lock(mutex_);
  done_.wait(lock, finished);
}

void ThreadPool::run_chunks() {
  while (true) {
    const std::size_t begin = next_.fetch_add(chunk_);
    if (begin >= n_) return;
    (*body_)(begin, std::min(n_, begin + chunk_));
  }
}

void ThreadPool::work() {
  unsigned seen = 0;
  while (true) {
    const auto called = [&] { return stop_ || generation_ != seen; };
    if (!spin_until(called)) {
      std::unique_lock lock(mutex_);
      ++n_asleep_;
      wake_.wait(lock, called);
      --n_asleep_;
    }
    if (stop_) return;
    seen = generation_;
    run_chunks();
    if (--busy_ == 0) {
      const std::lock_guard lock(mutex_);  // the caller is either spinning or fully asleep
      done_.notify_one();
    }
  }
}

}  // namespace toccata
