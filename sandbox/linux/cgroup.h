// Memory, process and CPU limits of a whole session, where this process may make control groups (v1 or v2).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::sandbox {

struct CgroupLimits {
  std::uint64_t memory_bytes = 0;
  unsigned processes = 0;
  double cpus = 0;
};

// One group in each hierarchy that is needed. Removed when destroyed, which must be after its processes ended.
class Cgroup {
 public:
  // kUnavailable, with the failing file and errno, when memory, pids and cpu cannot all be limited.
  static Result<Cgroup> create(const CgroupLimits& limits);
  Cgroup(Cgroup&&) = default;
  Cgroup& operator=(Cgroup&& other) noexcept;
  ~Cgroup();

  Result<void> add(pid_t process);
  // Processes of the group killed for want of memory so far.
  std::uint64_t oom_kills() const;
  // What all that ever were in the group have used; none where the kernel keeps no such account.
  std::optional<std::chrono::microseconds> cpu_time() const;

 private:
  Cgroup() = default;
  void remove();
  void open_account(const std::string& name);
  std::vector<std::filesystem::path> folders_;
  std::filesystem::path memory_folder_;
  std::filesystem::path cpu_account_;  // a file; empty: none
};

}  // namespace toccata::sandbox
