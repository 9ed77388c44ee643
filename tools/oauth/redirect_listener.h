// The address that the user's browser is sent back to: a port of this machine that one answer is waited for at.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools::oauth {

// One thread. Only 127.0.0.1 is listened on, from the making to the end.
class RedirectListener {
 public:
  // `port` 0: any free one. kUnavailable naming the port that is taken.
  static Result<RedirectListener> open(int port);
  RedirectListener(RedirectListener&& other) noexcept;
  RedirectListener& operator=(RedirectListener&&) = delete;
  ~RedirectListener();

  // "http://127.0.0.1:PORT/callback"
  std::string uri() const;
  // The query of the first request to that address that `is_answer` takes. Others get a page that says so, and the waiting goes on.
  // kTimeout, kCancelled; kResourceExhausted after 1000 others.
  Result<std::string> wait(
      const std::function<bool(std::string_view query)>& is_answer, std::chrono::steady_clock::time_point deadline, std::stop_token stop
  );

 private:
  RedirectListener(int fd, int port) : fd_(fd), port_(port) {}
  int fd_ = -1;
  int port_ = 0;
};

}  // namespace toccata::tools::oauth
