// The walls, one function each; order and meaning: sandbox/contain.cpp. All run in the child between clone and exec and
// make system calls only. 0, or the errno of what failed.
#pragma once

#include <sys/stat.h>

#include "sandbox/contain.h"

namespace toccata::sandbox {

inline bool is_same_file(int fd, const FileId& id) {
  struct stat info = {};
  return id.any() || (fstat(fd, &info) == 0 && info.st_dev == id.device && info.st_ino == id.inode);
}

// namespaces.cpp
int await_host(Containment& child);
int await_limits(Containment& child);
int leave_host_identity(Containment& child);
int set_host_name(Containment& child);

// mounts.cpp
int open_trees(Containment& child);
int make_mounts_private(Containment& child);
int build_root(Containment& child);
int attach_trees(Containment& child);
int mount_tmpfs(Containment& child);
int mount_proc(Containment& child);
int enter_root(Containment& child);

// network.cpp
int open_way_out(Containment& child);

// limits.cpp
int set_limits(Containment& child);

// privileges.cpp
int leave_root(Containment& child);
int drop_privileges(Containment& child);

// landlock.cpp
int restrict_files(Containment& child);

// seccomp.cpp
int install_filter(Containment& child);

// lifetime.cpp
int leave_terminal(Containment& child);
int die_with_host(Containment& child);
int still_die_with_host(Containment& child);

// descriptors.cpp
int close_what_is_the_hosts(Containment& child);
int hand_over_workspace(Containment& child);
int move_descriptors(Containment& child);
int send_report(int socket, ChildReport report, int attached);  // 0, or errno; attached: a descriptor, or -1
[[noreturn]] void give_up(Containment& child, ChildReport report);
[[noreturn]] void become_interpreter(const Plan& plan);  // after move_descriptors

}  // namespace toccata::sandbox
