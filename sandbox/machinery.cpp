#include "sandbox/machinery.h"

#include <poll.h>

#include "sandbox/cell.h"
#include "sandbox/linux/deadline.h"
#include "sandbox/linux/seccomp.h"
#include "sandbox/plan_for.h"

namespace toccata::sandbox {

namespace {

bool interpreter_comes_up(const Child& child) {
  pollfd fds[] = {{child.keeper.get(), POLLIN, 0}, {child.process(), POLLIN, 0}};
  poll(fds, 2, Deadline(std::chrono::seconds(20)).poll_ms());
  const auto message = receive_keeper(child.keeper.get());
  return message && message->kind == 's';
}

}  // namespace

Machinery::Machinery(
    const Policy& policy, Interpreter python, std::vector<ShownFolder> folders, Filters filters, std::shared_ptr<Egress> egress
)
    : limits_(policy.limits),
      imports_(policy.warmth.imports),
      network_(policy.network),
      python_(std::move(python)),
      folders_(std::move(folders)),
      filters_(std::move(filters)),
      egress_(std::move(egress)) {}

Plan Machinery::plan(Level level) const {
  const bool on_host = level > Level::kNoProc;
  Plan plan = plan_for(level, limits_, python_, folders_, on_host ? filters_.on_host : filters_.in_namespaces);
  if (egress_) open_network(plan);
  return plan;
}

std::optional<CgroupLimits> Machinery::cgroup_limits(Level level) const {
  if (level != Level::kFull) return std::nullopt;
  return CgroupLimits{limits_.memory_bytes, limits_.processes, limits_.cpus};
}

std::optional<SpawnFailure> Machinery::try_level(Level level) {
  if (level == Level::kNone) return std::nullopt;
  Plan trial = plan(level);
  if (level > Level::kNoProc) trial.folder = "/";
  trial.probe_only = true;
  trial.freeze();
  SpawnFailure failure;
  const Result<Child> child = spawn(trial, "", cgroup_limits(level), launcher_, &failure);
  if (child) return std::nullopt;
  return failure;
}

std::shared_ptr<Zygote> Machinery::zygote() const {
  const std::lock_guard lock(mutex_);
  return zygote_;
}

Result<std::string> Machinery::warmed() const {
  const std::lock_guard lock(mutex_);
  if (zygote_ && zygote_->running()) return zygote_->imported();
  return zygote_ ? Error{ErrorCode::kUnavailable, "the zygote ended"} : no_zygote_;
}

Result<std::unique_ptr<Zygote>> Machinery::make_zygote(int stopped) {
  if (level_ > Level::kNoProc) {
    return Error{
        ErrorCode::kUnsupported,
        std::string("level ") + to_string(level_) + " has no namespaces to fork sessions into"};
  }
  Result<std::vector<sock_filter>> filter =
      build_filter(Role::kZygote, Sockets::kNamed, egress_ ? Network::kTcp : Network::kNone);
  if (!filter) return filter.error();
  forked_ = plan(level_);
  forked_.role = Role::kForked;
  forked_.host_is_root = false;  // the zygote has left the host's root already
  for (Bind& bind : forked_.binds) bind.source.clear(), bind.id = {};  // its root has them under their paths inside
  Plan plan = zygote_plan_for(forked_, limits_, python_, folders_, std::move(*filter));
  plan.freeze();
  const std::string text = runner_for(plan, python_, imports_);
  Result<std::unique_ptr<Zygote>> made = Zygote::start(plan, text, launcher_, stopped);
  if (!made) return made.error();
  const Result<Child> trial = (*made)->fork(forked_, cgroup_limits(level_));
  if (!trial) return trial.error();
  if (!interpreter_comes_up(*trial)) {
    return Error{
        ErrorCode::kUnavailable,
        "no interpreter comes up in a fork of the zygote with " + (*made)->imported() +
            "; the memory limit may be too small for it"};
  }
  return made;
}

void Machinery::warm_up(int stopped) {
  Result<std::unique_ptr<Zygote>> made = make_zygote(stopped);
  const std::lock_guard lock(mutex_);
  if (made) {
    zygote_ = std::move(*made);
  } else {
    no_zygote_ = made.error();
  }
}

Result<Child> Machinery::start(const std::string& folder) {
  if (const std::shared_ptr<Zygote> warm = zygote(); warm && warm->running()) {
    Result<Child> child = warm->fork(forked_, cgroup_limits(level_));
    if (child) return child;
  }
  Plan real = plan(level_);
  if (level_ > Level::kNoProc) stand_on_host(real, python_, folders_, folder);
  real.freeze();
  return spawn(real, runner_for(real, python_), cgroup_limits(level_), launcher_);
}

}  // namespace toccata::sandbox
