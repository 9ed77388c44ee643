// The file system of a session: a tmpfs root with read-only views of what Python needs, its own /proc and /dev, and three
// tmpfs with quotas. Made with descriptors and the new mount API, so no path is looked up twice.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {
namespace {

// Any folder every system has; it is covered only in the child's own mount namespace and gone after pivot_root.
constexpr const char* kStage = "/tmp";

int write_file(const RootEntry& entry) {
  const int fd = open(entry.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  const ssize_t n = write(fd, entry.text.data(), entry.text.size());
  const int error = n == static_cast<ssize_t>(entry.text.size()) ? 0 : ENOSPC;
  close(fd);
  return error;
}

int make_entry(const RootEntry& entry) {
  switch (entry.kind) {
    case RootEntry::Kind::kFolder:
      return mkdir(entry.path.c_str(), 0755) == 0 || errno == EEXIST ? 0 : errno;
    case RootEntry::Kind::kLink:
      return symlink(entry.text.c_str(), entry.path.c_str()) == 0 ? 0 : errno;
    case RootEntry::Kind::kFile:
      return write_file(entry);
  }
  return EINVAL;
}

}  // namespace

int open_trees(Containment& child) {
  const auto& binds = child.plan.binds;
  if (binds.size() > child.trees.size()) return E2BIG;
  for (std::size_t i = 0; i < binds.size(); ++i) {
    const std::string& source = binds[i].source.empty() ? binds[i].path : binds[i].source;
    // Recursive: below a folder of another owner's mount namespace, the mounts under it must come along.
    child.trees[i] = open_tree(
        AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (binds[i].folder ? AT_RECURSIVE : 0)
    );
    if (child.trees[i] < 0) return errno;
    if (!is_same_file(child.trees[i], binds[i].id)) return ESTALE;
  }
  return 0;
}

int make_mounts_private(Containment&) {
  return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno;
}

int build_root(Containment& child) {
  umask(022);
  const unsigned long flags = MS_NOSUID | MS_NODEV;
  if (mount("root", kStage, "tmpfs", flags, "size=1m,nr_inodes=1k,mode=0755") != 0) return errno;
  if (chdir(kStage) != 0) return errno;
  for (const RootEntry& entry : child.plan.root) {
    if (const int error = make_entry(entry)) return error;
  }
  return 0;
}

int attach_trees(Containment& child) {
  const auto& binds = child.plan.binds;
  for (std::size_t i = 0; i < binds.size(); ++i) {
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_NOSUID;
    // A device of a file system with nodev, as in a nested container, stays as it is.
    attributes.attr_set |=
        binds[i].device ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
    const unsigned flags = AT_EMPTY_PATH | (binds[i].folder ? AT_RECURSIVE : 0);
    if (mount_setattr(child.trees[i], "", flags, &attributes, sizeof attributes) != 0) return errno;
    const char* target = binds[i].path.c_str() + 1;  // relative to the new root
    if (move_mount(child.trees[i], "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
      return errno;
  }
  return 0;
}

int mount_tmpfs(Containment& child) {
  for (const Tmpfs& fs : child.plan.tmpfs) {
    const unsigned long flags = MS_NOSUID | MS_NODEV;
    if (mount("tmpfs", fs.path.c_str(), "tmpfs", flags, fs.options.c_str()) != 0) return errno;
  }
  return 0;
}

int mount_proc(Containment& child) {
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const char* options = child.plan.proc_options.c_str();
  return mount("proc", "proc", "proc", flags, options) == 0 ? 0 : errno;
}

int enter_root(Containment&) {
  // The old root ends up stacked over the new one and is then detached: no folder for it is needed.
  if (syscall(SYS_pivot_root, ".", ".") != 0) return errno;
  if (umount2(".", MNT_DETACH) != 0) return errno;
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes) != 0) return errno;
  return chdir("/") == 0 ? 0 : errno;
}

}  // namespace toccata::sandbox
