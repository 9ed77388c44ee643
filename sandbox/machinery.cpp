#include "sandbox/machinery.h"

#include "sandbox/plan_for.h"

namespace toccata::sandbox {

Machinery::Machinery(const Limits& limits, Interpreter python, std::vector<sock_filter> filter)
    : limits_(limits), python_(std::move(python)), filter_(std::move(filter)) {}

Plan Machinery::plan(Level level) const { return plan_for(level, limits_, python_, filter_); }

std::optional<CgroupLimits> Machinery::cgroup_limits(Level level) const {
  if (level != Level::kFull) return std::nullopt;
  return CgroupLimits{limits_.memory_bytes, limits_.processes, limits_.cpus};
}

std::optional<SpawnFailure> Machinery::try_level(Level level) {
  if (level == Level::kNone) return std::nullopt;
  if (level == Level::kLandlock || level == Level::kSeccomp) {
    const std::string name = to_string(level);
    return SpawnFailure{
        SpawnFailure::kHost,
        {ErrorCode::kUnsupported, name + ": this version has no such level yet"}};
  }
  Plan trial = plan(level);
  trial.probe_only = true;
  trial.freeze();
  SpawnFailure failure;
  const Result<Child> child = spawn(trial, "", cgroup_limits(level), launcher_, &failure);
  if (child) return std::nullopt;
  return failure;
}

Result<Child> Machinery::start(const std::string& folder) {
  Plan real = plan(level_);
  if (level_ == Level::kNone) real.folder = folder;
  real.freeze();
  return spawn(real, runner_for(real, python_), cgroup_limits(level_), launcher_);
}

}  // namespace toccata::sandbox
