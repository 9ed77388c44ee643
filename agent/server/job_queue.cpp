#include "agent/server/job_queue.h"

#include <cstdio>
#include <exception>

namespace toccata::server {

JobQueue::JobQueue(int n_workers, std::size_t waiting_max) : waiting_max_(waiting_max) {
  for (int i = 0; i < n_workers; ++i) workers_.emplace_back([this] { work(); });
}

JobQueue::~JobQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool JobQueue::push(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    // A free worker takes the job at once, so it does not count as waiting.
    const std::size_t free = workers_.size() - n_running_;
    if (waiting_.size() >= waiting_max_ + free) return false;
    waiting_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

std::size_t JobQueue::n_waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

std::size_t JobQueue::n_running() const {
  const std::lock_guard lock(mutex_);
  return n_running_;
}

void JobQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    std::function<void()> job = std::move(waiting_.front());
    waiting_.pop_front();
    ++n_running_;
    lock.unlock();
    try {
      job();
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "toccata: a request ended with: %s\n", failure.what());
    }
    job = nullptr;  // what it holds is let go outside the lock
    lock.lock();
    --n_running_;
  }
}

}  // namespace toccata::server
