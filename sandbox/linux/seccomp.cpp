#include "sandbox/linux/seccomp.h"

#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "sandbox/linux/unique_fd.h"

namespace toccata::sandbox {
namespace {

// Names unknown to the architecture or to this libseccomp are passed over: not listed means denied.
constexpr const char* kAllowed[] = {
    // files
    "read",
    "write",
    "open",
    "openat",
    "close",
    "close_range",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "lseek",
    "pread64",
    "pwrite64",
    "readv",
    "writev",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "access",
    "faccessat",
    "faccessat2",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "flock",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "truncate",
    "ftruncate",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "fchdir",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "rmdir",
    "creat",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "symlink",
    "symlinkat",
    "readlink",
    "readlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "umask",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "fallocate",
    "fadvise64",
    "readahead",
    "sendfile",
    "copy_file_range",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    "memfd_create",
    // memory
    "mmap",
    "mprotect",
    "munmap",
    "brk",
    "mremap",
    "msync",
    "mincore",
    "madvise",
    "membarrier",
    "rseq",
    "get_mempolicy",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    // processes and threads
    "fork",
    "vfork",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "kill",
    "tkill",
    "tgkill",
    "pidfd_open",
    "pidfd_send_signal",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "futex",
    "futex_waitv",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getattr",
    "getpriority",
    "setpriority",
    "getcpu",
    "getpid",
    "getppid",
    "gettid",
    "getpgid",
    "getpgrp",
    "setpgid",
    "getsid",
    "setsid",
    "arch_prctl",
    "restart_syscall",
    // identity
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "capget",
    // signals, time, limits
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "pause",
    "alarm",
    "getitimer",
    "setitimer",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "times",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_getoverrun",
    "timer_delete",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "signalfd",
    "signalfd4",
    "eventfd",
    "eventfd2",
    "getrlimit",
    "setrlimit",
    "prlimit64",
    "getrusage",
    "sysinfo",
    "uname",
    "getrandom",
    // waiting and local sockets
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "pipe",
    "pipe2",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
};

// What contain.cpp's layers call, and the clone into namespaces.
constexpr const char* kZygoteAllowed[] = {
    "clone",
    "clone3",
    "mount",
    "umount2",
    "pivot_root",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "setgroups",
    "sethostname",
    "prctl",
    "capset",
    "seccomp",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
};

// Of kAllowed, what reaches into the host's own processes, sockets and folders where there are no namespaces. Landlock
// covers none of it: path names of local sockets, events of folders, priorities and limits of other processes.
constexpr std::string_view kNotOnHost[] = {
    "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "setpriority", "sched_setaffinity", "prlimit64",
};
// Of kAllowed, what only sockets with a name have a use for.
constexpr std::string_view kOfNamedSockets[] = {"bind", "listen", "accept", "accept4", "connect"};

// Of kAllowed, what sockets of TCP may be asked for only in part.
constexpr std::string_view kOfSocketOptions[] = {"getsockopt", "setsockopt"};

// Probed by libraries, which then fall back.
constexpr const char* kNotImplemented[] = {
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "openat2",
    "map_shadow_stack",
};

constexpr int kPrctlAllowed[] = {
    PR_SET_NAME,
    PR_GET_NAME,
    PR_SET_PDEATHSIG,
    PR_GET_PDEATHSIG,
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    PR_GET_NO_NEW_PRIVS,
    PR_SET_NO_NEW_PRIVS,
    PR_CAPBSET_READ,
    PR_GET_SECCOMP,
    PR_GET_TIMERSLACK,
    PR_SET_TIMERSLACK,
    PR_SET_CHILD_SUBREAPER,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_SET_VMA,
};

// Every namespace bit of clone(); CLONE_NEWTIME exists for clone3 only, which is not there.
constexpr std::uint64_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                         CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint64_t kLow32 =
    0xFFFFFFFF;  // the kernel reads ioctl requests and prctl options as 32 bits
constexpr std::uint64_t kDeviceBits = S_IFMT;

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {}
  ~Filter() { seccomp_release(context_); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  scmp_filter_ctx get() const { return context_; }
  int error() const { return context_ == nullptr ? -ENOMEM : error_; }

  template <class... Conditions>
  void rule(std::uint32_t action, const char* name, Conditions... conditions) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call < 0 || error() != 0)
      return;  // also the pseudo numbers of calls this architecture has not
    const scmp_arg_cmp array[] = {conditions..., scmp_arg_cmp{}};
    error_ = seccomp_rule_add_array(context_, action, call, sizeof...(conditions), array);
  }

 private:
  scmp_filter_ctx context_;
  int error_ = 0;
};

scmp_arg_cmp equals(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// The calls whose arguments decide, for those who make no namespaces.
void add_session_rules(Filter& filter) {
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");  // libraries fall back to clone
  filter.rule(SCMP_ACT_ALLOW, "clone", equals(0, kNewNamespaces, 0));
  for (const int option : kPrctlAllowed) {
    filter.rule(SCMP_ACT_ALLOW, "prctl", equals(0, kLow32, static_cast<std::uint64_t>(option)));
  }
}

void add_socket_rules(Filter& filter, Sockets sockets) {
  // Only local sockets. Families by allow-list: VSOCK reaches the hypervisor, netlink and AF_ALG the kernel.
  if (sockets == Sockets::kNamed) {
    filter.rule(SCMP_ACT_ALLOW, "socket", equals(0, kLow32, AF_UNIX));
    filter.rule(SCMP_ACT_ALLOW, "socketpair", equals(0, kLow32, AF_UNIX));
    return;
  }
  // Datagram pairs could be sent to any path.
  constexpr std::uint64_t kType = 0xF;
  for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    filter.rule(
        SCMP_ACT_ALLOW, "socketpair", equals(0, kLow32, AF_UNIX),
        equals(1, kType, static_cast<std::uint64_t>(type))
    );
  }
}

// Not among the options: protocols on top of TCP (TCP_ULP), memory shared with the kernel, everything of IP.
void add_tcp_rules(Filter& filter, Role role, Sockets sockets) {
  constexpr std::uint64_t kType = 0xF;
  for (const int protocol : {0, static_cast<int>(IPPROTO_TCP)}) {
    filter.rule(
        SCMP_ACT_ALLOW, "socket", equals(0, kLow32, AF_INET), equals(1, kType, SOCK_STREAM),
        equals(2, kLow32, static_cast<std::uint64_t>(protocol))
    );
  }
  // Named sockets have it already. Pairs are connected for ever.
  if (sockets == Sockets::kPairs) filter.rule(SCMP_ACT_ALLOW, "connect");
  for (const char* call : {"getsockopt", "setsockopt"}) {
    filter.rule(SCMP_ACT_ALLOW, call, equals(1, kLow32, SOL_SOCKET));
    for (const int option :
         {TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_INFO, TCP_QUICKACK, TCP_USER_TIMEOUT}) {
      filter.rule(
          SCMP_ACT_ALLOW, call, equals(1, kLow32, IPPROTO_TCP), equals(2, kLow32, static_cast<std::uint64_t>(option))
      );
    }
  }
  if (role != Role::kZygote) return;
  for (const unsigned request : {SIOCGIFFLAGS, SIOCSIFFLAGS}) filter.rule(SCMP_ACT_ALLOW, "ioctl", equals(1, kLow32, request));
}

bool is_among(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

void add_rules(Filter& filter, Role role, Sockets sockets, Network network, bool on_host) {
  for (const char* name : kAllowed) {
    if (on_host && is_among(name, kNotOnHost)) continue;
    if (sockets == Sockets::kPairs && is_among(name, kOfNamedSockets)) continue;
    if (network == Network::kTcp && is_among(name, kOfSocketOptions)) continue;
    filter.rule(SCMP_ACT_ALLOW, name);
  }
  if (on_host) {
    for (const char* name : {"prlimit64", "sched_setaffinity"}) filter.rule(SCMP_ACT_ALLOW, name, equals(0, kLow32, 0));
    for (const char* name : {"landlock_create_ruleset", "landlock_restrict_self"}) filter.rule(SCMP_ACT_ALLOW, name);
  }
  for (const char* name : kNotImplemented) filter.rule(SCMP_ACT_ERRNO(ENOSYS), name);
  if (role == Role::kZygote) {
    for (const char* name : kZygoteAllowed) filter.rule(SCMP_ACT_ALLOW, name);
  } else {
    add_session_rules(filter);
  }
  add_socket_rules(filter, sockets);
  if (network == Network::kTcp) add_tcp_rules(filter, role, sockets);
  filter.rule(SCMP_ACT_ALLOW, "personality", equals(0, kLow32, 0));
  filter.rule(
      SCMP_ACT_ALLOW, "personality", equals(0, kLow32, kLow32)
  );  // the question, not a change
  // Pipes only: device nodes stay impossible even where a file system would take them.
  filter.rule(SCMP_ACT_ALLOW, "mknod", equals(1, kDeviceBits, S_IFIFO));
  filter.rule(SCMP_ACT_ALLOW, "mknodat", equals(2, kDeviceBits, S_IFIFO));
  // What Python and terminals-that-are-not ask for; TIOCSTI, TIOCLINUX and every driver's own are not among it.
  for (const unsigned request :
       {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TIOCGPGRP}) {
    filter.rule(SCMP_ACT_ALLOW, "ioctl", equals(1, kLow32, request));
  }
}

Result<std::vector<sock_filter>> export_program(const Filter& filter) {
  const UniqueFd file(memfd_create("filter", MFD_CLOEXEC));
  const int failed = file ? seccomp_export_bpf(filter.get(), file.get()) : -errno;
  const off_t size = failed == 0 ? lseek(file.get(), 0, SEEK_END) : 0;
  std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  if (failed != 0 || program.empty() || pread(file.get(), program.data(), size, 0) != size) {
    return Error{
        ErrorCode::kUnavailable, std::string("seccomp filter: export: ") + strerror(-failed)};
  }
  return program;
}

Result<std::vector<sock_filter>> build(Role role, Sockets sockets, Network network, bool on_host) {
  Filter filter;
  if (filter.error() == 0) {
    seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    add_rules(filter, role, sockets, network, on_host);
  }
  if (filter.error() != 0) {
    return Error{
        ErrorCode::kUnavailable, std::string("seccomp filter: ") + strerror(-filter.error())};
  }
  return export_program(filter);
}

}  // namespace

Result<std::vector<sock_filter>> build_filter(Role role, Sockets sockets, Network network) {
  return build(role, sockets, network, /*on_host=*/false);
}

Result<std::vector<sock_filter>> build_filter_on_host() {
  return build(Role::kSession, Sockets::kPairs, Network::kNone, /*on_host=*/true);
}

}  // namespace toccata::sandbox
