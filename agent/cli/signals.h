#pragma once

#include <termios.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

namespace toccata::cli {

// While it lives, SIGINT and SIGTERM request a stop instead of ending the program; a second one ends it at once.
// Make it before any other thread: the signals are blocked in every thread and read by one of its own.
class SignalStop {
 public:
  SignalStop();
  ~SignalStop();
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;

  std::stop_token token() const;
  // 130 after SIGINT, 143 after SIGTERM, 0 when no signal came.
  int exit_code() const;
  // While nothing runs that could be stopped (a chat waits for its next line), SIGINT is forgotten and SIGTERM ends
  // the program at once.
  void set_idle(bool idle);

 private:
  void listen();
  // Ends the program as the signal would have, with the terminal as line editing found it.
  [[noreturn]] void end_now(int signal) const;

  mutable std::mutex mutex_;  // guards stop_
  std::stop_source stop_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> idle_ = false;
  std::optional<termios> terminal_;  // of stdin at the start
  int wake_ = -1;  // eventfd that ends listen()
  std::thread listener_;
};

}  // namespace toccata::cli
