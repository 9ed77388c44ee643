#include "sandbox/linux/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "sandbox/linux/errno_text.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr const char* kControllers[] = {"memory", "pids", "cpu"};
constexpr int kCpuPeriodUs = 100'000;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// Where this process stands in the hierarchy of `controller` ("" = v2), as the kernel writes it: /a/b.
std::string own_path(const std::string& controller) {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::size_t a = line.find(':'), b = line.find(':', a + 1);
    if (b == std::string::npos) continue;
    const std::vector<std::string> names = split(line.substr(a + 1, b - a - 1), ',');
    if (controller.empty() ? names.empty() : contains(names, controller)) return line.substr(b + 1);
  }
  return "/";
}

// The folder of this process's own group in that hierarchy; nothing when it is not mounted.
std::optional<fs::path> own_folder(const std::string& controller) {
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> left = split(line.substr(0, dash), ' ');
    const std::vector<std::string> right = split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    const bool v2 = right[0] == "cgroup2";
    const bool v1 = right[0] == "cgroup" && contains(split(right[2], ','), controller);
    if (controller.empty() ? !v2 : !v1) continue;
    std::string path = own_path(controller);
    // In a container the mount shows a part of the hierarchy only.
    if (left[3] != "/" && path.starts_with(left[3])) path.erase(0, left[3].size());
    const fs::path folder = left[4] + path;
    std::error_code ignored;
    return fs::is_directory(folder, ignored) ? folder : fs::path(left[4]);
  }
  return std::nullopt;
}

// The group below which a session's group can have `controller`, and in which version.
struct Parent {
  fs::path folder;
  bool v2 = false;
};
Result<Parent> parent_of(const std::string& controller) {
  if (const auto v1 = own_folder(controller)) return Parent{*v1, false};
  if (const auto v2 = own_folder("")) {
    std::ifstream in(*v2 / "cgroup.subtree_control");
    std::string enabled;
    std::getline(in, enabled);
    if (contains(split(enabled, ' '), controller)) return Parent{*v2, true};
    return Error{
        ErrorCode::kUnavailable,
        "cgroup " + controller + ": not among the subtree_control of " + v2->string()};
  }
  return Error{ErrorCode::kUnavailable, "cgroup " + controller + ": no hierarchy is mounted"};
}

Result<void> write_value(const fs::path& file, const std::string& value) {
  const UniqueFd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd && write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size()))
    return {};
  return Error{
      ErrorCode::kUnavailable, "cgroup: write " + file.string() + ": " + errno_text(errno)};
}

Result<void> limit(
    const fs::path& folder, const std::string& controller, bool v2, const CgroupLimits& limits
) {
  const auto bytes = std::to_string(limits.memory_bytes);
  const auto quota = std::to_string(static_cast<long>(limits.cpus * kCpuPeriodUs));
  if (controller == "pids")
    return write_value(folder / "pids.max", std::to_string(limits.processes));
  if (controller == "cpu") {
    if (v2) return write_value(folder / "cpu.max", quota + " " + std::to_string(kCpuPeriodUs));
    return write_value(folder / "cpu.cfs_quota_us", quota);
  }
  // Swap is not everywhere accounted: its limit is set where there is one.
  if (v2) {
    (void)write_value(folder / "memory.swap.max", "0");
    return write_value(folder / "memory.max", bytes);
  }
  const Result<void> done = write_value(folder / "memory.limit_in_bytes", bytes);
  (void)write_value(folder / "memory.memsw.limit_in_bytes", bytes);
  return done;
}

// Groups of a host that was killed stay behind; their name tells whose they were.
void sweep_leftovers(const fs::path& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("toccata-")) continue;
    const pid_t owner = static_cast<pid_t>(std::strtol(name.c_str() + 8, nullptr, 10));
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) rmdir(entry.path().c_str());
  }
}

std::string fresh_name() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return "toccata-" + std::to_string(getpid()) + "-" + std::to_string(now);
}

}  // namespace

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  if (this == &other) return *this;
  remove();
  folders_ = std::move(other.folders_);
  other.folders_.clear();
  memory_folder_ = std::move(other.memory_folder_);
  cpu_account_ = std::move(other.cpu_account_);
  return *this;
}

Cgroup::~Cgroup() { remove(); }

Result<Cgroup> Cgroup::create(const CgroupLimits& limits) {
  Cgroup group;
  const std::string name = fresh_name();
  for (const std::string controller : kControllers) {
    const Result<Parent> parent = parent_of(controller);
    if (!parent) return parent.error();
    const fs::path folder = parent->folder / name;
    if (std::find(group.folders_.begin(), group.folders_.end(), folder) == group.folders_.end()) {
      sweep_leftovers(parent->folder);
      if (mkdir(folder.c_str(), 0755) != 0) {
        return Error{
            ErrorCode::kUnavailable,
            "cgroup " + controller + ": mkdir " + folder.string() + ": " + errno_text(errno)};
      }
      group.folders_.push_back(folder);
    }
    if (controller == "memory") group.memory_folder_ = folder;
    if (controller == "cpu" && parent->v2) group.cpu_account_ = folder / "cpu.stat";
    if (const auto done = limit(folder, controller, parent->v2, limits); !done) return done.error();
  }
  if (group.cpu_account_.empty()) group.open_account(name);
  return group;
}

// Version 1 keeps the account in a hierarchy of its own, or in that of "cpu". Sessions can do without it.
void Cgroup::open_account(const std::string& name) {
  const auto parent = own_folder("cpuacct");
  if (!parent) return;
  const fs::path folder = *parent / name;
  if (std::find(folders_.begin(), folders_.end(), folder) == folders_.end()) {
    sweep_leftovers(*parent);
    if (mkdir(folder.c_str(), 0755) != 0) return;
    folders_.push_back(folder);
  }
  cpu_account_ = folder / "cpuacct.usage";
}

Result<void> Cgroup::add(pid_t process) {
  for (const fs::path& folder : folders_) {
    if (auto done = write_value(folder / "cgroup.procs", std::to_string(process)); !done)
      return done;
  }
  return {};
}

std::uint64_t Cgroup::oom_kills() const {
  for (const char* file : {"memory.oom_control", "memory.events"}) {
    std::ifstream in(memory_folder_ / file);
    std::string key;
    for (std::uint64_t value = 0; in >> key >> value;) {
      if (key == "oom_kill") return value;
    }
  }
  return 0;
}

std::optional<std::chrono::microseconds> Cgroup::cpu_time() const {
  if (cpu_account_.empty()) return std::nullopt;
  std::ifstream in(cpu_account_);
  std::int64_t value = 0;
  if (cpu_account_.filename() == "cpuacct.usage") {
    if (in >> value) return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds(value));
    return std::nullopt;
  }
  for (std::string key; in >> key >> value;) {
    if (key == "usage_usec") return std::chrono::microseconds(value);
  }
  return std::nullopt;
}

void Cgroup::remove() {
  for (const fs::path& folder : folders_) {
    // The kernel may need a moment after the last process was reaped: a millisecond, or hundreds when the processors are taken.
    for (int attempt = 0; attempt < 1000 && rmdir(folder.c_str()) != 0 && errno == EBUSY; ++attempt) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  folders_.clear();
}

}  // namespace toccata::sandbox
