// One command of a session, watched from outside like a cell (cell.h): the keeper starts it in a process group of its own,
// this drains what it prints, keeps the time, and learns from the keeper how it ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "sandbox/cell.h"
#include "sandbox/cpu_watch.h"
#include "sandbox/ladder.h"
#include "sandbox/linux/spawn.h"
#include "sandbox/output.h"
#include "sandbox/policy.h"

namespace toccata::sandbox {

class CommandRun {
 public:
  using Cause = sandbox::Cause;
  // What the keeper says of the interpreter meanwhile.
  using Aside = std::function<void(const KeeperMessage&)>;

  // Borrows `child` and `limits`. `number` tells the command from others of the session.
  CommandRun(const Child& child, std::uint32_t number, const Limits& limits, Aside aside);

  void tell(Listener listener) { out_.tell(std::move(listener)); }

  // `folder`: relative to the workspace. False when the session is lost: it has to be made anew.
  bool run(
      const std::vector<std::string>& argv,
      const std::string& folder,
      std::chrono::milliseconds timeout,
      const std::stop_token& stop,
      CpuWatch& cpu
  );

  // What made the host step in, if it did: then the whole process group was killed.
  Cause cause() const { return ladder_.cause(); }
  // Of the first process, as wait(2) has it.
  std::optional<int> wait_status() const { return wait_status_; }
  // What was printed, both streams in the order of writing, within the limits. Adds to `cut`.
  std::string text(std::size_t& cut) const { return out_.render(shown_max(), cut); }

 private:
  using Clock = std::chrono::steady_clock;

  bool send_order(
      char order, const std::vector<std::string>& argv = {}, const std::string& folder = {}
  );
  void wait(int stop_fd, Clock::time_point look);
  void read_keeper();
  bool climb();
  std::size_t shown_max() const;

  const Child& child_;
  std::uint32_t number_;
  const Limits& limits_;
  Aside aside_;
  CappedText out_;
  Clock::time_point deadline_;
  Ladder ladder_;
  std::optional<int> wait_status_;
};

// The order that starts a command must fit into one packet: name, folder and arguments together.
inline constexpr std::size_t kCommandBytesMax = 60'000;

}  // namespace toccata::sandbox
