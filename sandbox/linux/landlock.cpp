// Landlock: the file and network walls once more, by another mechanism. Its absence from the kernel is not a failure at
// the levels that have namespaces; at level landlock it is the wall, and must reach signals too (ABI 6).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {
namespace {

// Of the kernel's ABI, not of the installed headers, which may be older (include/uapi/linux/landlock.h).
struct RulesetAttribute {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;  // since ABI 4
  std::uint64_t scoped;              // since ABI 6
};
struct [[gnu::packed]] PathRule {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};

constexpr std::uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2,
                        kReadDir = 1 << 3, kMakeChar = 1 << 6, kMakeBlock = 1 << 11,
                        kRefer = 1 << 13, kTruncate = 1 << 14, kIoctlDevice = 1 << 15;
constexpr std::uint64_t kAllOfAbi1 = (1 << 13) - 1;
constexpr std::uint64_t kRead = kExecute | kReadFile | kReadDir;
struct PortRule {
  std::uint64_t allowed_access;
  std::uint64_t port;
};
constexpr unsigned kVersionFlag = 1, kPathBeneath = 1, kNetPort = 2;
constexpr std::uint64_t kBindTcp = 1, kConnectTcp = 2;
constexpr std::uint64_t kAbstractSockets = 1, kSignals = 2;

std::uint64_t known_access(long abi) {
  return kAllOfAbi1 | (abi >= 2 ? kRefer : 0) | (abi >= 3 ? kTruncate : 0) |
         (abi >= 5 ? kIoctlDevice : 0);
}

int allow(int ruleset, const char* path, std::uint64_t access, const FileId& id = {}) {
  const int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return errno;
  if (!is_same_file(fd, id)) {
    close(fd);
    return ESTALE;
  }
  const PathRule rule = {access, fd};
  const long failed = syscall(SYS_landlock_add_rule, ruleset, kPathBeneath, &rule, 0);
  const int error = failed != 0 ? errno : 0;
  close(fd);
  return error;
}

int allow_port(int ruleset, int port) {
  if (port == 0) return 0;
  const PortRule rule = {kConnectTcp, static_cast<std::uint64_t>(port)};
  return syscall(SYS_landlock_add_rule, ruleset, kNetPort, &rule, 0) == 0 ? 0 : errno;
}

int add_rules(int ruleset, std::uint64_t known) {
  const std::uint64_t all = known & ~(kMakeChar | kMakeBlock);
  struct {
    const char* path;
    std::uint64_t access;
  } const rules[] = {
      {"/", kRead},
      {kWorkspacePath, all},
      {"/tmp", all},
      {"/dev", known & (kReadFile | kReadDir | kWriteFile | kTruncate)},
      {"/dev/shm", all},
  };
  for (const auto& rule : rules) {
    if (const int error = allow(ruleset, rule.path, rule.access)) return error;
  }
  return 0;
}

// The session sees the host's own tree: only these parts of it.
int add_rules_of(const Plan& plan, int ruleset, std::uint64_t known) {
  constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDevice;
  for (const PathAccess& path : plan.paths) {
    struct stat info = {};
    if (stat(path.path.c_str(), &info) != 0) {
      if (!path.id.any()) return errno;
      continue;
    }
    std::uint64_t access = path.writable ? known & ~(kMakeChar | kMakeBlock | kIoctlDevice) : kRead;
    if (!S_ISDIR(info.st_mode)) access &= kOfFiles;
    const int error = allow(ruleset, path.path.c_str(), access & known, path.id);
    if (error != 0 && (error != EACCES || !path.id.any())) return error;
  }
  return 0;
}

}  // namespace

int restrict_files(Containment& child) {
  const bool alone = child.plan.level > Level::kNoProc;
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  if (alone && abi < 6) return abi < 1 ? errno : EOPNOTSUPP;
  if (abi < 1) return 0;
  const std::uint64_t known = known_access(abi);
  RulesetAttribute wanted = {known, 0, 0};
  if (abi >= 4) wanted.handled_access_net = kBindTcp | kConnectTcp;  // none allowed but to the proxy
  // Where there is a pid namespace, it bounds the signals.
  if (abi >= 6) wanted.scoped = kAbstractSockets | (alone ? kSignals : 0);
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &wanted, size, 0));
  if (ruleset < 0) return errno;
  int error = alone ? add_rules_of(child.plan, ruleset, known) : add_rules(ruleset, known);
  if (error == 0 && abi >= 4) error = allow_port(ruleset, child.plan.proxy_port);
  if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) error = errno;
  close(ruleset);
  return error;
}

}  // namespace toccata::sandbox
