// What all sessions of a sandbox share: the plan of their containment, and the thread or zygote they are cloned from.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "sandbox/egress.h"
#include "sandbox/interpreter.h"
#include "sandbox/linux/launcher.h"
#include "sandbox/linux/plan.h"
#include "sandbox/linux/spawn.h"
#include "sandbox/linux/zygote.h"
#include "sandbox/policy.h"
#include "sandbox/shown_folders.h"
#include "sandbox/sandbox.h"

namespace toccata::sandbox {

class Machinery {
 public:
  struct Filters {
    std::vector<sock_filter> in_namespaces, on_host;
  };
  // `egress`: null without Policy::network.
  Machinery(
      const Policy& policy, Interpreter python, std::vector<ShownFolder> folders, Filters filters,
      std::shared_ptr<Egress> egress
  );

  // Puts up every wall of `level` once, around nothing. Nothing on success.
  std::optional<SpawnFailure> try_level(Level level);
  void use(Level level) { level_ = level; }

  Level level() const { return level_; }
  const Limits& limits() const { return limits_; }
  const Interpreter& python() const { return python_; }
  const std::vector<ShownFolder>& folders() const { return folders_; }
  const std::vector<std::string>& network() const { return network_; }
  Egress* egress() const { return egress_.get(); }
  // Starts a session's child: a fork of the zygote when it is up, else a fresh interpreter. `folder` is its workspace
  // where it has no root of its own.
  Result<Child> start(const std::string& folder);

  // Starts the zygote and forks it once, for trial. Ends early when the descriptor `stopped` becomes readable.
  void warm_up(int stopped);
  // What the zygote has imported; the error says why there is none.
  Result<std::string> warmed() const;

 private:
  Result<std::unique_ptr<Zygote>> make_zygote(int stopped);
  std::shared_ptr<Zygote> zygote() const;
  Plan plan(Level level) const;
  std::optional<CgroupLimits> cgroup_limits(Level level) const;

  Limits limits_;
  std::vector<std::string> imports_, network_;
  Interpreter python_;
  std::vector<ShownFolder> folders_;
  Filters filters_;
  std::shared_ptr<Egress> egress_;
  Level level_ = Level::kNone;
  Launcher launcher_;

  Plan forked_;  // of the zygote's forks
  mutable std::mutex mutex_;
  std::shared_ptr<Zygote> zygote_;
  Error no_zygote_{ErrorCode::kUnavailable, "the zygote is not up yet"};
};

// A session on a started child, ready when this returns.
Result<std::unique_ptr<Session>> open_session(std::shared_ptr<Machinery> machinery);
// Do the processes of such a session live?
bool is_alive(const Session& session);

}  // namespace toccata::sandbox
