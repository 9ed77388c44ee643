// Identity: the child waits until the host has written its id maps, then becomes an ordinary user of its own user
// namespace. When the host is root, that user is `kOutsideId` of the host, never uid 0.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {

int await_host(Containment& child) {
  char go = 0;
  const ssize_t n = read(child.fds[kSyncFd], &go, 1);
  if (n == 1) return 0;
  return n < 0 ? errno : EPIPE;  // the host gave up or died
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
