// One execution, watched from outside: sends the code, drains the output, keeps the time, and believes nothing but the
// kernel and the keeper.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "sandbox/cpu_watch.h"
#include "sandbox/ladder.h"
#include "sandbox/linux/deadline.h"
#include "sandbox/linux/spawn.h"
#include "sandbox/outcome.h"
#include "sandbox/output.h"
#include "sandbox/policy.h"

namespace toccata::sandbox {

// A message of the keeper; the protocol is described in keeper.py.
struct KeeperMessage {
  char kind = 0;  // 's', 'd', 'a', 'x'
  std::uint32_t generation = 0;  // of 'x': the command's number
  int wait_status = 0;           // of 'd' and 'x'
};
std::optional<KeeperMessage> receive_keeper(int socket);
void send_keeper(int socket, char order, std::uint32_t generation);

class Cell {
 public:
  enum class End {
    kReturned,
    kRaised,
    kRestarted,  // the interpreter ended or was killed; a fresh one is up, in `generation()`
    kGone,       // so did the keeper: the whole session has to be made anew
  };
  using Cause = sandbox::Cause;

  // Borrows `child`. `generation` is that of its interpreter.
  Cell(const Child& child, std::uint32_t generation, std::uint64_t number, const Limits& limits);

  // Text of both streams goes there as it comes.
  void tell(const Listener& listener) {
    out_.tell(listener);
    err_.tell(listener);
  }

  // Each time the event descriptor `interrupts` is written while the code runs, it gets a KeyboardInterrupt.
  End run(
      std::string_view code,
      std::chrono::milliseconds timeout,
      const std::stop_token& stop,
      int interrupts,
      CpuWatch& cpu
  );

  // What made the host step in, if it did.
  Cause cause() const { return ladder_.cause(); }
  std::uint32_t generation() const { return generation_; }
  std::optional<int> wait_status() const { return wait_status_; }
  // stdout, then stderr, within the limits. Adds to `cut`.
  std::string text(std::size_t& cut) const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string packets(std::string_view code) const;
  void wait(int stop_fd, int interrupts, Clock::time_point look);
  void interrupt();
  bool send_some();
  void read_output(std::size_t at_most);
  void read_reply();
  void read_keeper();
  void climb();
  void settle();

  const Child& child_;
  std::uint32_t generation_;
  std::uint64_t number_;
  const Limits& limits_;

  std::string_view unsent_;
  bool sent_all_ = false;
  CappedText out_, err_;
  Clock::time_point deadline_;
  Ladder ladder_;
  int unanswered_ = 0;  // interrupts the keeper has not acknowledged
  std::optional<End> end_;
  std::optional<int> wait_status_;
};

}  // namespace toccata::sandbox
