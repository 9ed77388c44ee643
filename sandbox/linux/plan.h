// Everything the child needs between clone and exec, prepared by the host beforehand. The host has many threads, so the
// child may only read this and make system calls: no allocation, no locks, no library that takes one.
#pragma once

#include <linux/filter.h>
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/policy.h"

namespace toccata::sandbox {

// What a path must still lead to when it is opened; all 0: whatever it leads to.
struct FileId {
  std::uint64_t device = 0, inode = 0;
  bool any() const { return inode == 0; }
};

// A file or folder of the host, shown read-only.
struct Bind {
  std::string path;  // inside
  bool folder = false;
  bool device = false;  // a node below /dev: stays writable
  std::string source = {};  // on the host; empty: the same path
  FileId id = {};
};

// Entries of the new root, made in this order.
struct RootEntry {
  enum class Kind { kFolder, kFile, kLink };
  Kind kind = Kind::kFolder;
  std::string path;  // relative to the new root
  std::string text;  // of a file; target of a link
};

struct Tmpfs {
  std::string path;  // relative to the new root
  std::string options;
};

// What Landlock lets a session without a root of its own do below a path.
struct PathAccess {
  std::string path;
  bool writable = false;  // else read and execute
  FileId id = {};         // given: a failure when it is not there
};

struct Limit {
  int resource = 0;
  rlim_t value = 0;
};

// What the child becomes once its walls are up.
enum class Role {
  kSession,  // a fresh interpreter serving cells
  kZygote,   // the prepared interpreter that sessions are forked from
  kForked,   // such a fork, serving cells
};

struct Plan {
  Level level = Level::kNone;
  Role role = Role::kSession;
  bool host_is_root = false;  // then the child leaves host uid 0 for `outside_id` of the host
  std::vector<Bind> binds;
  std::vector<RootEntry> root;
  std::vector<Tmpfs> tmpfs;
  std::string proc_options;
  std::vector<PathAccess> paths;  // level landlock only; those that are not there are passed over
  std::vector<Limit> rlimits;
  std::vector<sock_filter> filter;  // seccomp program; empty below the level
  int proxy_port = 0;  // of the session's own loopback, where its way out begins; 0 = it has none
  std::string folder;  // where the interpreter starts; the workspace when there is no own root
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  bool probe_only = false;  // set everything up, then end instead of starting the interpreter

  // Filled by `freeze` for execve: point into the strings above.
  std::vector<char*> argv;
  std::vector<char*> envp;
  void freeze();
};

// The identity inside, and outside when the host is root.
inline constexpr unsigned kInsideId = 1000;
inline constexpr unsigned kOutsideId = 65534;

// The child's descriptors after `move_descriptors`.
enum ChildFd { kStdinFd, kStdoutFd, kStderrFd, kCellsFd, kKeeperFd, kRunnerFd, kSyncFd, kChildFds };

// The descriptors a child is given, in the order of ChildFd.
using ChildFds = std::array<int, kChildFds>;

}  // namespace toccata::sandbox
