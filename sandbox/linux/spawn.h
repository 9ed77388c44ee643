// Host side: makes the contained child and holds its ends.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "sandbox/linux/cgroup.h"
#include "sandbox/linux/launcher.h"
#include "sandbox/linux/plan.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {

// A running child: pid 1 of its namespaces where there are any. Destroying it kills and reaps it.
class Child {
 public:
  Child() = default;
  Child(Child&&) = default;
  Child& operator=(Child&& other) noexcept;  // ends the one it held
  ~Child();

  bool running() const;
  // Kills every process of the session and waits for it, at most a few seconds.
  void end();

  UniqueFd process;    // pidfd
  UniqueFd out, err;   // read ends of the output pipes, non-blocking
  UniqueFd cells;      // SEQPACKET, non-blocking
  UniqueFd keeper;     // SEQPACKET, non-blocking
  UniqueFd workspace;  // the folder
  std::optional<Cgroup> cgroup;
  bool own_pids = false;  // its processes die with it
};

// Where a spawn failed: an index into layers(), or one of these.
struct SpawnFailure {
  static constexpr int kClone = -1, kHost = -2;
  int layer = kHost;
  Error error;
};

// Follows a child from `clone_child`, which makes the process and its pidfd or returns -1 with errno, until its walls
// stand. `runner`: the text of a fresh interpreter's side; null for a fork of the zygote, which has it.
Result<Child> raise_child(
    const Plan& plan,
    const std::string* runner,
    const std::optional<CgroupLimits>& limits,
    const std::function<pid_t(const ChildFds&, int* pidfd)>& clone_child,
    SpawnFailure* failure = nullptr
);

// Clones, contains and execs. `runner` is the text of the interpreter's side. On failure fills `failure` when given.
// A probe_only plan succeeds with a child that has already ended.
Result<Child> spawn(
    const Plan& plan,
    const std::string& runner,
    const std::optional<CgroupLimits>& limits,
    Launcher& launcher,
    SpawnFailure* failure = nullptr
);

}  // namespace toccata::sandbox
