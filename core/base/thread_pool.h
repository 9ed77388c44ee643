#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace toccata {

// Splits loops over a fixed set of threads. The caller works too, so a pool of n starts n - 1 threads.
// Between loops that follow each other closely, as the ops of a forward pass do, threads spin for some microseconds; then
// they sleep, so that an idle pool costs nothing and other work on the machine is not held up.
// One loop at a time: a second caller waits for the first.
class ThreadPool {
 public:
  // 0: as many as the machine has processors.
  explicit ThreadPool(int n_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) on disjoint ranges that cover [0, n), of at least `grain` indices each, and returns when all
  // are done. Which thread gets which range never changes a result: bodies write only what their indices own.
  // Bodies must not throw.
  void parallel_for(
      std::size_t n, std::size_t grain, const std::function<void(std::size_t, std::size_t)>& body
  );

 private:
  void work();
  void run_chunks();
  void wait_for_workers();

  std::mutex callers_;  // one loop at a time
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(std::size_t, std::size_t)>* body_ = nullptr;
  std::size_t n_ = 0, chunk_ = 1;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<unsigned> generation_ = 0;  // of loops; what a waiting worker watches
  std::atomic<int> busy_ = 0;             // workers that have not finished the present loop
  int n_asleep_ = 0;                      // workers in wake_.wait, under mutex_
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace toccata
