// Keeps a sandbox warm: one background thread starts the zygote and then keeps sessions ready.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "sandbox/linux/unique_fd.h"
#include "sandbox/machinery.h"
#include "sandbox/sandbox.h"

namespace toccata::sandbox {

class Pool {
 public:
  Pool(std::shared_ptr<Machinery> machinery, const Warmth& warmth);
  // Ends the sessions that nobody took, and the wait for the zygote.
  ~Pool();

  // A ready session, or null when there is none at the moment.
  std::unique_ptr<Session> take();

  // Waits until the zygote is up, or known not to be, and, when it is, until `ready` sessions stand. An error says why
  // sessions are not forked.
  Result<std::string> await();

 private:
  void keep_warm();
  bool wants_more() const {
    return !stopping_ && failures_ < kFailuresMax && ready_.size() < n_ready_;
  }

  static constexpr int kFailuresMax = 3;  // in a row; then sessions are made when asked for

  const std::shared_ptr<Machinery> machinery_;
  const bool zygote_;
  const std::size_t n_ready_;
  UniqueFd stop_;  // eventfd, ends the wait for imports
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Session>> ready_;
  bool stopping_ = false;
  bool begun_ = false;  // the zygote is up, or known not to be
  int failures_ = 0;
  std::thread thread_;
};

}  // namespace toccata::sandbox
