// The zygote: a prepared interpreter that sessions are forked from.
//
// What it is. One Python that has imported its modules and waits. It stands behind every wall of its level that leaves it
// able to fork sessions: its own user, pid, mount, net, ipc, uts and cgroup namespaces, the same read-only root, no
// capabilities, no_new_privs, an empty environment, and a system call filter that adds only what putting up walls
// takes. It lacks Landlock, which forbids mounting for ever, the rlimits of a session and the session's /proc, of which
// the kernel demands a whole one before it lets a session mount its own. It never runs a byte of a session's code.
//
// What a session is. A clone of it into fresh namespaces of all seven kinds, nested in the zygote's, which then goes
// through the same list of layers as a fresh interpreter (contain.cpp). Each has channels of its own, made by the host;
// every other descriptor is closed. Random number generators are seeded again. What forks share: see policy.h, Warmth.
//
// Where it cannot be, sessions are started afresh; why not is kept in `Warmup`:
//   - no namespaces (level `none`), or the interpreter lacks ctypes
//   - an import started a thread or mapped shared writable memory: neither is sound to fork
//   - the first fork failed, for instance because the imports alone exceed the session's memory limit
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "sandbox/linux/launcher.h"
#include "sandbox/linux/plan.h"
#include "sandbox/linux/spawn.h"

namespace toccata::sandbox {

class Zygote {
 public:
  // `plan` of role kZygote. Returns once everything is imported, or with an error: of a wall, of the interpreter, or when
  // `stopped`, a descriptor, becomes readable.
  static Result<std::unique_ptr<Zygote>> start(
      const Plan& plan, const std::string& text, Launcher& launcher, int stopped
  );

  // A session's child, contained. `plan` is that of its forks. From any thread.
  Result<Child> fork(const Plan& plan, const std::optional<CgroupLimits>& limits);

  bool running() const { return !lost_ && child_.running(); }
  // Names of the imported modules, separated by spaces.
  const std::string& imported() const { return imported_; }

 private:
  explicit Zygote(Child child) : child_(std::move(child)) {}
  Result<void> await_ready(int stopped);
  Result<void> check_forkable() const;
  pid_t order(const ChildFds& fds, int* pidfd);

  Child child_;
  std::string imported_;
  std::mutex mutex_;  // orders and answers come in pairs
  std::atomic<bool> lost_ =
      false;  // it did not answer: what it says later would be taken for the next answer
};

// Packets of the zygote's socket. The host's only order is a byte with the descriptors of a child, in the order of
// ChildFd; the answer carries its pidfd. `kind` of what the zygote says:
struct ZygoteWord {
  static constexpr char kReady = 'r';   // text: what was imported
  static constexpr char kFailed = 'e';  // text: why there can be no zygote
  static constexpr char kForked = 'f';  // int: errno of the clone, 0 = made
};

}  // namespace toccata::sandbox
