// What all sessions of a sandbox share: the plan of their containment and the thread they are cloned from.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sandbox/interpreter.h"
#include "sandbox/linux/launcher.h"
#include "sandbox/linux/plan.h"
#include "sandbox/linux/spawn.h"
#include "sandbox/policy.h"
#include "sandbox/sandbox.h"

namespace toccata::sandbox {

class Machinery {
 public:
  Machinery(const Limits& limits, Interpreter python, std::vector<sock_filter> filter);

  // Puts up every wall of `level` once, around nothing. Nothing on success.
  std::optional<SpawnFailure> try_level(Level level);
  void use(Level level) { level_ = level; }

  Level level() const { return level_; }
  const Limits& limits() const { return limits_; }
  const Interpreter& python() const { return python_; }
  // Starts a session's child. `folder` is its workspace where it has no root of its own.
  Result<Child> start(const std::string& folder);

 private:
  Plan plan(Level level) const;
  std::optional<CgroupLimits> cgroup_limits(Level level) const;

  Limits limits_;
  Interpreter python_;
  std::vector<sock_filter> filter_;
  Level level_ = Level::kNone;
  Launcher launcher_;
};

// A session on a started child, ready when this returns.
Result<std::unique_ptr<Session>> open_session(std::shared_ptr<Machinery> machinery);

}  // namespace toccata::sandbox
