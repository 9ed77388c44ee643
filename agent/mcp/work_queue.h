// Calls that wait and the threads that make them: those of one lane take turns, the others run side by side.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace toccata::mcp {

class WorkQueue {
 public:
  // Threads are started when there is work for them.
  explicit WorkQueue(std::size_t threads_max = 32, std::size_t waiting_max = 1024);
  // Does all that was added: whoever wants it to end soon has asked the jobs to stop.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // From any thread. Jobs of the same lane run one at a time in the order of adding; "" is no lane. False when too many
  // wait already. Jobs must not throw.
  bool add(const std::string& lane, std::function<void()> job);

 private:
  struct Job {
    std::string lane;
    std::function<void()> work;
  };
  void work();
  std::deque<Job>::iterator next();  // whose lane is free; end() when there is none

  const std::size_t threads_max_, waiting_max_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::set<std::string> busy_;  // lanes
  std::size_t n_idle_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace toccata::mcp
