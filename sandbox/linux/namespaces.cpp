// Identity: the child waits until the host has written its id maps, then becomes an ordinary user of its own user
// namespace. When the host is root, that user is `kOutsideId` of the host, never uid 0.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "sandbox/linux/fd_message.h"
#include "sandbox/linux/layers.h"

namespace toccata::sandbox {
namespace {

int write_map(int process, const char* file, const char* text) {
  const int fd = openat(process, file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const auto size = static_cast<ssize_t>(strlen(text));
  const int error = write(fd, text, static_cast<std::size_t>(size)) == size ? 0 : errno;
  close(fd);
  return error;
}

// A fork of the zygote is the host's grandchild, whose maps the host may not write: it writes them itself. Inside and
// outside are the same id, that of the zygote. `process`: its own folder of the host's /proc; it has none of its own yet.
int write_own_maps(int process) {
  constexpr const char* kSame = "1000 1000 1";
  static_assert(kInsideId == 1000);
  if (const int error = write_map(process, "setgroups", "deny")) return error;
  if (const int error = write_map(process, "uid_map", kSame)) return error;
  return write_map(process, "gid_map", kSame);
}

}  // namespace

// The host's word to go on; to a fork of the zygote it comes with a descriptor.
int await_host(Containment& child) {
  char go = 0;
  int process = -1;
  const ssize_t n = receive_message(child.fds[kSyncFd], &go, 1, std::span(&process, 1));
  if (n != 1) return n < 0 ? errno : EPIPE;  // the host gave up or died
  if (child.plan.role != Role::kForked) return 0;
  if (process < 0) return EBADMSG;
  const int error = write_own_maps(process);
  close(process);
  return error;
}

// Joining a control group takes the kernel milliseconds, in which the walls are put up; nothing else runs before it.
int await_limits(Containment& child) {
  char joined = 0;
  const ssize_t n = read(child.fds[kSyncFd], &joined, 1);
  if (n == 1) return 0;
  return n < 0 ? errno : EPIPE;
}

// Raw calls: glibc's wrappers signal every thread of the process, and the child has only a copy of one.
int leave_host_identity(Containment& child) {
  if (child.plan.host_is_root && syscall(SYS_setgroups, 0, nullptr) != 0) return errno;
  if (syscall(SYS_setresgid, kInsideId, kInsideId, kInsideId) != 0) return errno;
  if (syscall(SYS_setresuid, kInsideId, kInsideId, kInsideId) != 0) return errno;
  return 0;
}

int set_host_name(Containment&) { return sethostname("sandbox", 7) == 0 ? 0 : errno; }

}  // namespace toccata::sandbox
