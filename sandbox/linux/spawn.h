// Host side: makes the contained child and holds its ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "sandbox/linux/cgroup.h"
#include "sandbox/linux/launcher.h"
#include "sandbox/linux/plan.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {

// The first process of a session, pid 1 of its namespaces where there are any, and all below it.
struct Processes {
  UniqueFd first;  // pidfd
  std::optional<Cgroup> cgroup;
  bool own_pids = false;  // all die with the first

  Processes() = default;
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;
  // Kills every one and reaps the first, in at most a few seconds.
  ~Processes();

  // What they have used of CPU time since anybody asked this before: each microsecond is told once, whichever of the sessions that
  // share them asks. Any thread. Without a control group, as cpu_time_of_tree() can tell.
  std::chrono::microseconds take_cpu_time();

 private:
  std::mutex mutex_;
  std::chrono::microseconds cpu_taken_{0};
};

// An interpreter with its channels. Several may stand behind the same walls (`offshoot`); destroying the last of them
// kills and reaps all processes.
class Child {
 public:
  Child() = default;
  Child(Child&&) = default;
  Child& operator=(Child&& other) noexcept;  // ends the one it held
  ~Child();

  bool running() const;
  // The pidfd of the first process; -1 without one.
  int process() const { return processes ? processes->first.get() : -1; }
  std::chrono::microseconds take_cpu_time() const { return processes ? processes->take_cpu_time() : std::chrono::microseconds(0); }
  // 0 without a control group.
  std::uint64_t oom_kills() const { return processes && processes->cgroup ? processes->cgroup->oom_kills() : 0; }
  void end();

  UniqueFd out, err;   // read ends of the output pipes, non-blocking
  UniqueFd cells;      // SEQPACKET, non-blocking
  UniqueFd keeper;     // SEQPACKET, non-blocking
  UniqueFd workspace;  // the folder
  UniqueFd way_out;    // listening socket of its own loopback, when the plan has one
  std::shared_ptr<Processes> processes;
};

// The channels of one more interpreter behind the walls of `origin`: our ends, and those to hand over.
struct Offshoot {
  Child child;
  UniqueFd cells, out, err, keeper;
};
Result<Offshoot> offshoot(const Child& origin);

// As this process's /proc counts; -1 when it is gone.
pid_t pid_of(int pidfd);

// Where a spawn failed: an index into layers(), or one of these.
struct SpawnFailure {
  static constexpr int kClone = -1, kHost = -2;
  int layer = kHost;
  Error error;
  int number = 0;  // the errno in it, where there is one
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
