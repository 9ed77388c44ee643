#include "sandbox/shown_folders.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/linux/act_as.h"
#include "sandbox/linux/plan.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameBytesMax = 64;
// File systems that are the kernel speaking: processes, devices, tunables.
constexpr long kKernelFileSystems[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,
    TRACEFS_MAGIC,    SECURITYFS_MAGIC, BPF_FS_MAGIC,    EFIVARFS_MAGIC,      BINFMTFS_MAGIC,     0x62656570 /* configfs */,
    NSFS_MAGIC,
};

Error refused(ErrorCode code, const fs::path& folder, const std::string& why) {
  return {code, folder.string() + " cannot be shown to the sandbox: " + why};
}

bool holds(const fs::path& tree, const fs::path& path) {
  return std::mismatch(tree.begin(), tree.end(), path.begin(), path.end()).first == tree.end();
}

std::string why_no_name(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kNameBytesMax || name[0] == '.' || !std::all_of(name.begin(), name.end(), fits)) {
    return "'" + name + "' cannot be its name below /mnt: expected letters, digits, '.', '_' and '-', at most " +
           std::to_string(kNameBytesMax) + "; give one as PATH:NAME";
  }
  if (name == "data") return "/mnt/data is the workspace; give another name as PATH:NAME";
  return {};
}

// The private path that the folder would show, wholly or in part; empty when there is none.
fs::path shown_secret(const fs::path& folder, const std::vector<fs::path>& secrets) {
  for (const fs::path& secret : secrets) {
    std::error_code failure;
    const fs::path path = fs::weakly_canonical(secret, failure);
    if (!failure && !path.empty() && (holds(folder, path) || holds(path, folder))) return path;
  }
  return {};
}

// Can the user that sessions run as read it? Of root's sessions that is `kOutsideId`.
bool readable(const UniqueFd& shown, bool is_file) {
  const ActAs session(geteuid() == 0 ? std::int64_t{kOutsideId} : -1);
  if (is_file) return faccessat(shown.get(), "", R_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
  const UniqueFd listed(openat(shown.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return static_cast<bool>(listed);
}

Result<ShownFolder> find_folder(const Mount& mount, const std::vector<fs::path>& secrets) {
  std::error_code failure;
  const fs::path folder = fs::canonical(mount.folder, failure);
  if (failure) return refused(ErrorCode::kNotFound, mount.folder, failure.message());
  if (folder == "/") return refused(ErrorCode::kInvalidArgument, folder, "it is the whole file system");
  const std::string name = mount.name.empty() ? folder.filename().string() : mount.name;
  if (const std::string why = why_no_name(name); !why.empty()) return refused(ErrorCode::kInvalidArgument, folder, why);
  if (const fs::path secret = shown_secret(folder, secrets); !secret.empty()) {
    return refused(ErrorCode::kInvalidArgument, folder, "it would show " + secret.string() + ", where keys and records of this program are");
  }
  const UniqueFd fd(open(folder.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info = {};
  struct statfs system = {};
  if (!fd || fstat(fd.get(), &info) != 0 || fstatfs(fd.get(), &system) != 0) {
    return refused(errno == EACCES ? ErrorCode::kPermissionDenied : ErrorCode::kInvalidArgument, folder, strerror(errno));
  }
  const bool is_file = S_ISREG(info.st_mode);
  if (!is_file && !S_ISDIR(info.st_mode)) return refused(ErrorCode::kInvalidArgument, folder, "it is neither a folder nor a regular file");
  if (std::ranges::find(kKernelFileSystems, static_cast<long>(system.f_type)) != std::end(kKernelFileSystems) || holds("/dev", folder)) {
    return refused(ErrorCode::kInvalidArgument, folder, "it is part of the kernel's own file systems or of /dev");
  }
  if (!readable(fd, is_file)) {
    const std::string who = geteuid() == 0 ? "sessions of root run as uid " + std::to_string(kOutsideId) + ", which" : "the user";
    return refused(ErrorCode::kPermissionDenied, folder, who + " may not read it");
  }
  return ShownFolder{folder, "/mnt/" + name, info.st_dev, info.st_ino, is_file};
}

}  // namespace

Result<std::vector<ShownFolder>> find_shown_folders(const Policy& policy) {
  if (policy.mounts.size() > kMountsMax) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(policy.mounts.size()) + " folders are to be shown to the sandbox; at most " +
                                                  std::to_string(kMountsMax) + " can be"};
  }
  std::vector<ShownFolder> shown;
  for (const Mount& mount : policy.mounts) {
    Result<ShownFolder> folder = find_folder(mount, policy.private_paths);
    if (!folder) return folder.error();
    for (const ShownFolder& other : shown) {
      if (other.inside == folder->inside) {
        return refused(ErrorCode::kInvalidArgument, folder->host, other.inside + " is " + other.host.string() + " already; give another name as PATH:NAME");
      }
    }
    shown.push_back(std::move(*folder));
  }
  return shown;
}

Mount parse_mount(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || text.find('/', colon) != std::string::npos) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace toccata::sandbox
