#include "sandbox/sandbox.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <sstream>

#include "sandbox/advice.h"
#include "sandbox/contain.h"
#include "sandbox/linux/layers.h"
#include "sandbox/linux/seccomp.h"
#include "sandbox/machinery.h"
#include "sandbox/pool.h"

namespace toccata::sandbox {
namespace {

constexpr std::array kLevels = {
    Level::kFull,
    Level::kFullNoCgroup,
    Level::kNoProc,
    Level::kLandlock,
    Level::kSeccomp,
    Level::kNone};
constexpr std::array kLevelNames = {"full", "full-nocg", "noproc", "landlock", "seccomp", "none"};

struct Choice {
  std::optional<Level> level;
  std::string missing;  // why the strongest level asked for and each below it failed
};

// The strongest level that stands between two. Levels are ordered: stronger is smaller.
Choice choose(Machinery& machinery, Level strongest, Level weakest) {
  Choice choice;
  for (const Level level : kLevels) {
    if (level < strongest || level > weakest) continue;
    const auto failure = machinery.try_level(level);
    if (!failure) {
      choice.level = level;
      return choice;
    }
    if (!choice.missing.empty()) choice.missing += "; ";
    choice.missing += std::string(to_string(level)) + " lacks " + failure->error.message;
  }
  return choice;
}

// What would help the user to that level.
std::string advice_for(Machinery& machinery, Level level) {
  // A group's absence is the host's business; what else `full` needs, the level below it needs too.
  const auto failure = machinery.try_level(std::max(level, Level::kFullNoCgroup));
  if (!failure) return {};
  const auto all = layers();
  const bool is_layer = failure->layer >= 0 && failure->layer < static_cast<int>(all.size());
  return advice(
      read_host_facts(),
      {is_layer ? all[static_cast<std::size_t>(failure->layer)].name : "namespaces", failure->number}
  );
}

Level weakest_of(const Policy& policy) {
  return policy.network.empty() ? policy.minimum : std::min(policy.minimum, kWeakestWithNetwork);
}

Error refusal(Machinery& machinery, const Policy& policy, const std::string& missing) {
  const Level weakest = weakest_of(policy);
  std::string message = std::string("the sandbox cannot reach level ") + to_string(weakest) +
                        " here: " + missing + ".";
  const Choice weaker = choose(machinery, weakest, Level::kNone);
  if (weaker.level && *weaker.level > weakest) {
    const std::string name = to_string(*weaker.level);
    message += " Level " + name + " can be reached; ";
    if (*weaker.level > kWeakestWithNetwork && !policy.network.empty()) {
      message += "it has no network of its own that could be held to a list of hosts, so it can be had without --sandbox-net only";
      if (weaker.level > policy.minimum) message += ", with --sandbox " + name;
    } else {
      message += "accept the weaker protection with --sandbox " + name;
    }
  }
  if (const std::string help = advice_for(machinery, weakest); !help.empty()) message += "\n" + help;
  return {ErrorCode::kUnavailable, message};
}

Result<std::shared_ptr<Egress>> egress_of(const Policy& policy, const MakeEgress& make_egress) {
  if (policy.network.empty()) return std::shared_ptr<Egress>();
  if (policy.maximum > kWeakestWithNetwork) {
    return Error{
        ErrorCode::kInvalidArgument, std::string("sandbox: level ") + to_string(policy.maximum) +
                                         " has no network of its own that could be held to a list of hosts (--sandbox-net)"};
  }
  if (!make_egress) return Error{ErrorCode::kInvalidArgument, "sandbox: hosts are allowed, but nothing serves connections to them"};
  return make_egress(policy.network);
}

Result<std::shared_ptr<Machinery>> make_machinery(const Policy& policy, const MakeEgress& make_egress) {
  Result<std::shared_ptr<Egress>> egress = egress_of(policy, make_egress);
  if (!egress) return egress.error();
  Result<Interpreter> python = find_interpreter(policy.python);
  if (!python) return python.error();
  Result<std::vector<ShownFolder>> folders = find_shown_folders(policy);
  if (!folders) return folders.error();
  Result<std::vector<sock_filter>> filter =
      build_filter(
          Role::kSession, folders->empty() ? Sockets::kNamed : Sockets::kPairs, *egress ? Network::kTcp : Network::kNone
      );
  if (!filter) return filter.error();
  Result<std::vector<sock_filter>> on_host = build_filter_on_host();
  if (!on_host) return on_host.error();
  return std::make_shared<Machinery>(
      policy, std::move(*python), std::move(*folders),
      Machinery::Filters{std::move(*filter), std::move(*on_host)}, std::move(*egress)
  );
}

// A session with a root of its own covers some folders with its own.
Result<void> check_seen(const Interpreter& python, Level level) {
  if (level > Level::kNoProc) return {};
  for (const std::filesystem::path& tree : python.trees) {
    for (const std::filesystem::path covered : {"/tmp", "/dev", "/proc", kWorkspacePath}) {
      if (std::ranges::mismatch(covered, tree).in1 != covered.end()) continue;
      return Error{
          ErrorCode::kInvalidArgument,
          "the Python of " + tree.string() + " cannot be seen in the sandbox, whose sessions have a " + covered.string() +
              " of their own; move it to another folder"};
    }
  }
  return {};
}

void add_layers(ProbeReport& report, const std::optional<SpawnFailure>& failure, bool network) {
  const auto all = layers();
  const int failed = failure ? failure->layer : static_cast<int>(all.size());
  report.primitives.push_back(
      {"namespaces", failed >= 0, failed >= 0 ? "ok" : failure->error.message}
  );
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    const bool asked_for = network || all[static_cast<std::size_t>(i)].apply != open_way_out;
    const char* detail = !asked_for ? "not asked for" : i < failed ? "ok" : "not tried";
    report.primitives.push_back(
        {all[static_cast<std::size_t>(i)].name,
         i < failed,
         i == failed ? failure->error.message : detail}
    );
  }
}

}  // namespace

const char* to_string(Level level) { return kLevelNames[static_cast<std::size_t>(level)]; }

std::optional<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (name == kLevelNames[i]) return kLevels[i];
  }
  return std::nullopt;
}

const char* to_string(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kError:
      return "error";
    case Status::kTimeout:
      return "timeout";
    case Status::kDied:
      return "died";
  }
  return "?";
}

struct Sandbox::Impl {
  std::shared_ptr<Machinery> machinery;
  Pool pool;
};

Sandbox::Sandbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sandbox::Sandbox(Sandbox&&) noexcept = default;
Sandbox& Sandbox::operator=(Sandbox&&) noexcept = default;
Sandbox::~Sandbox() = default;

Result<Sandbox> Sandbox::create(const Policy& policy, const MakeEgress& make_egress) {
  if (policy.minimum < policy.maximum) {
    return Error{
        ErrorCode::kInvalidArgument,
        std::string("sandbox: level ") + to_string(policy.minimum) +
            " is the least accepted, but at most " + to_string(policy.maximum) + " is allowed"};
  }
  Result<std::shared_ptr<Machinery>> machinery = make_machinery(policy, make_egress);
  if (!machinery) return machinery.error();
  const Choice choice = choose(**machinery, policy.maximum, weakest_of(policy));
  if (!choice.level) return refusal(**machinery, policy, choice.missing);
  if (const Result<void> seen = check_seen((*machinery)->python(), *choice.level); !seen) return seen.error();
  (*machinery)->use(*choice.level);
  return Sandbox(std::unique_ptr<Impl>(new Impl{*machinery, {*machinery, policy.warmth}}));
}

Level Sandbox::level() const { return impl_->machinery->level(); }
const std::vector<std::string>& Sandbox::network() const { return impl_->machinery->network(); }

std::vector<Sandbox::ShownAt> Sandbox::folders() const {
  std::vector<ShownAt> shown;
  for (const ShownFolder& folder : impl_->machinery->folders()) {
    shown.push_back({folder.host, level() <= Level::kNoProc ? folder.inside : folder.host.string()});
  }
  return shown;
}

Result<std::unique_ptr<Session>> Sandbox::open() {
  if (std::unique_ptr<Session> ready = impl_->pool.take()) return ready;
  return open_session(impl_->machinery);
}

Result<std::string> Sandbox::await_warm() { return impl_->pool.await(); }

ProbeReport probe(const Policy& policy, const MakeEgress& make_egress) {
  ProbeReport report;
  const Result<std::shared_ptr<Machinery>> machinery = make_machinery(policy, make_egress);
  if (!machinery) {
    report.python_version = machinery.error().message;
    return report;
  }
  report.python = (*machinery)->python().executable;
  report.python_version = (*machinery)->python().version;
  add_layers(report, (*machinery)->try_level(Level::kFullNoCgroup), !policy.network.empty());
  const auto no_group = (*machinery)->try_level(Level::kFull);
  report.primitives.push_back({"cgroup", !no_group, no_group ? no_group->error.message : "ok"});
  const auto no_landlock = (*machinery)->try_level(Level::kLandlock);
  report.primitives.push_back(
      {"level landlock", !no_landlock, no_landlock ? no_landlock->error.message : "ok"}
  );
  report.level = choose(**machinery, policy.maximum, Level::kNone).level.value_or(Level::kNone);
  if (report.level > Level::kFullNoCgroup) report.advice = advice_for(**machinery, Level::kFullNoCgroup);
  if (!policy.warmth.zygote) return report;
  (*machinery)->use(report.level);
  const UniqueFd never(eventfd(0, EFD_CLOEXEC));
  (*machinery)->warm_up(never.get());
  const Result<std::string> imported = (*machinery)->warmed();
  std::istringstream names(imported ? *imported : "");
  report.modules = {std::istream_iterator<std::string>(names), {}};
  report.primitives.push_back(
      {"zygote", imported.ok(),
       imported ? "sessions are forked, with " + (imported->empty() ? "nothing" : *imported) + " imported"
                : imported.error().message}
  );
  return report;
}

}  // namespace toccata::sandbox
