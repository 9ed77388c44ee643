#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace toccata::sandbox {

// The thread every session is cloned from. The kernel ties "die with your parent" to the parent *thread*: sessions made
// by a passing thread would die with it. Its signals are blocked, so that no handler of the host runs in a fresh clone.
class Launcher {
 public:
  Launcher();
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // Runs `job` on the thread and waits for it. From any thread.
  void run(const std::function<void()>& job);

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace toccata::sandbox
