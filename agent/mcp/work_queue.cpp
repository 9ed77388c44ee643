#include "agent/mcp/work_queue.h"

#include <algorithm>

namespace toccata::mcp {

WorkQueue::WorkQueue(std::size_t threads_max, std::size_t waiting_max) : threads_max_(threads_max), waiting_max_(waiting_max) {}

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkQueue::add(const std::string& lane, std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= waiting_max_) return false;
  waiting_.push_back({lane, std::move(job)});
  // An idle thread that was woken for the job before counts as idle until it has the lock.
  if (waiting_.size() > n_idle_ && threads_.size() < threads_max_ && next() != waiting_.end()) {
    threads_.emplace_back([this] { work(); });
  }
  changed_.notify_one();
  return true;
}

std::deque<WorkQueue::Job>::iterator WorkQueue::next() {
  return std::find_if(waiting_.begin(), waiting_.end(), [&](const Job& job) { return !busy_.contains(job.lane); });
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto found = next();
    if (found == waiting_.end()) {
      // What waits for a lane is taken by the thread that frees it.
      if (ending_) return;
      ++n_idle_;
      changed_.wait(lock);
      --n_idle_;
      continue;
    }
    Job job = std::move(*found);
    waiting_.erase(found);
    if (!job.lane.empty()) busy_.insert(job.lane);
    lock.unlock();
    job.work();
    job.work = nullptr;  // what it holds ends outside the lock
    lock.lock();
    busy_.erase(job.lane);
  }
}

}  // namespace toccata::mcp
