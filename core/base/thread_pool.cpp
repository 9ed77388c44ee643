#include "core/base/thread_pool.h"

#include <algorithm>

namespace toccata {

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
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    n_ = n;
    // A few chunks a thread, so that a thread the system took away does not hold up the rest.
    chunk_ = std::max(grain, n / (static_cast<std::size_t>(size()) * 4) + 1);
    next_ = 0;
    busy_ = static_cast<int>(workers_.size());
    ++generation_;
  }
  wake_.notify_all();
  run_chunks();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  body_ = nullptr;
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
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    run_chunks();
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

}  // namespace toccata
