// Descriptors of the child: what it hands to the host, and which it keeps.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "sandbox/linux/fd_message.h"
#include "sandbox/linux/layers.h"

namespace toccata::sandbox {
namespace {

// Above every descriptor of ChildFd.
constexpr int kParkingFd = 64;

}  // namespace

int send_report(int socket, ChildReport report, int attached) {
  return send_message(socket, &report, sizeof report, std::span(&attached, attached >= 0 ? 1 : 0)) >= 0 ? 0 : errno;
}

// The host reads and writes files through this descriptor, never through a path that the code could have changed.
int hand_over_workspace(Containment& child) {
  const char* folder = child.plan.folder.c_str();
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || chdir(folder) != 0) return errno;
  const int error = send_report(child.fds[kSyncFd], {ChildReport::kWorkspaceReady, 0}, fd);
  close(fd);
  return error;
}

// The child is a copy of its host, which may be killed at any moment: with the host's ends of its own channels in hand it
// would never see them close, nor would the sessions beside it see theirs.
int close_what_is_the_hosts(Containment& child) {
  ChildFds own = child.fds;
  std::sort(own.begin(), own.end());
  unsigned first = 0;
  for (const int fd : own) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept > first && syscall(SYS_close_range, first, kept - 1, 0) != 0) return errno;
    first = kept + 1;
  }
  return syscall(SYS_close_range, first, ~0U, 0) == 0 ? 0 : errno;
}

// ChildFd from 0 up, nothing else; only the sync socket closes at exec.
int move_descriptors(Containment& child) {
  for (int& fd : child.fds) {
    fd = fcntl(fd, F_DUPFD, kParkingFd);
    if (fd < 0) return errno;
  }
  for (int i = 0; i < kChildFds; ++i) {
    if (dup2(child.fds[i], i) < 0) return errno;
    child.fds[i] = i;
  }
  if (syscall(SYS_close_range, kChildFds, ~0U, 0) != 0) return errno;
  return fcntl(kSyncFd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : errno;
}

void give_up(Containment& child, ChildReport report) {
  send_report(child.fds[kSyncFd], report, -1);
  _exit(127);
}

void become_interpreter(const Plan& plan) {
  // Handlers of the host end at exec by themselves; ignored signals and the mask would be inherited.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8);
  execve(plan.argv[0], plan.argv.data(), plan.envp.data());
  send_report(kSyncFd, {static_cast<int>(layers().size()), errno}, -1);
  _exit(127);
}

}  // namespace toccata::sandbox
