#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace toccata::server {

// Requests that wait for the model, in order of arrival, and the threads that serve them.
class JobQueue {
 public:
  JobQueue(int n_workers, std::size_t waiting_max);
  // Finishes what runs and drops what waits.
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // False when `waiting_max` jobs wait already. A job should answer for its own failures: one that it throws goes to
  // stderr, and nobody waits for it.
  bool push(std::function<void()> job);
  std::size_t n_waiting() const;
  std::size_t n_running() const;

 private:
  void work();

  const std::size_t waiting_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::size_t n_running_ = 0;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace toccata::server
