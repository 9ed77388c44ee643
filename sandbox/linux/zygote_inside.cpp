// The part of the zygote that makes sessions, as a shared library of its own that the zygote's Python loads. It serves
// the host's orders and comes back into Python only in a fork, behind all walls. It needs nothing but the C library.
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "sandbox/contain.h"
#include "sandbox/linux/fd_message.h"
#include "sandbox/linux/namespace_flags.h"
#include "sandbox/linux/plan_text.h"
#include "sandbox/linux/zygote.h"

namespace toccata::sandbox {
namespace {

std::string text_of(const char* file) {
  std::string text;
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  char buffer[4096];
  for (ssize_t n; fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  close(fd);
  return text;
}

// Puts the heap on huge pages, where the kernel has them: a fork copies one entry of 2 MiB instead of 512, which is most
// of what it costs. A fork that writes takes its 4 KiB copy all the same. Pure speed: errors are passed over.
void collapse_heap() {
  constexpr std::uintptr_t kHuge = std::uintptr_t{2} << 20;
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, since Linux 6.1
  const std::string maps = text_of("/proc/self/maps");
  for (std::size_t at = 0, end = 0; at < maps.size(); at = end + 1) {
    end = std::min(maps.find('\n', at), maps.size());
    std::uintptr_t from = 0, to = 0;
    unsigned long inode = 1;
    char mode[5] = {};
    const std::string line = maps.substr(at, end - at);
    if (sscanf(line.c_str(), "%lx-%lx %4s %*x %*s %lu", &from, &to, mode, &inode) != 4) continue;
    if (inode != 0 || std::strcmp(mode, "rw-p") != 0 || line.ends_with("[stack]")) continue;
    from = (from + kHuge - 1) & ~(kHuge - 1);
    to &= ~(kHuge - 1);
    if (from < to) madvise(reinterpret_cast<void*>(from), to - from, kCollapse);
  }
}

// False when the host is gone, or speaks another language.
bool receive_order(int control, ChildFds& fds) {
  char order = 0;
  ssize_t n = 0;
  do {
    n = receive_message(control, &order, 1, fds);
  } while (n < 0 && errno == EINTR);
  return n == 1 && fds[0] >= 0;
}

bool answer(int control, int error, int pidfd) {
  char packet[1 + sizeof error] = {ZygoteWord::kForked};
  std::memcpy(packet + 1, &error, sizeof error);
  const std::span<const int> fds(&pidfd, error == 0 ? 1 : 0);
  return send_message(control, packet, sizeof packet, fds) >= 0;
}

}  // namespace

// Returns 0 in each fork, contained, its channels at ChildFd; 1 when there is no usable plan. Ends the zygote when the
// host is gone. The caller ignores SIGCHLD, so the kernel reaps the forks.
extern "C" [[gnu::visibility("default")]] int toccata_serve(int control, const char* plan_file) {
  std::optional<Plan> plan = plan_from(text_of(plan_file));
  if (!plan || plan->role != Role::kForked) return 1;
  collapse_heap();
  for (;;) {
    ChildFds fds;
    if (!receive_order(control, fds)) _exit(0);
    int pidfd = -1;
    clone_args arguments = {};
    arguments.flags = CLONE_PIDFD | kNamespaces;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
      put_up_walls(*plan, fds);
      // Closing it tells the host that all went well; the runner's text is in memory already.
      close(kRunnerFd);
      close(kSyncFd);
      return 0;
    }
    const int error = pid < 0 ? errno : 0;
    for (const int fd : fds) close(fd);
    const bool heard = answer(control, error, pidfd);
    if (pidfd >= 0) close(pidfd);
    if (!heard) _exit(0);
  }
}

}  // namespace toccata::sandbox
