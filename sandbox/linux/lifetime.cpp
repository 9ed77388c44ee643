// A session never outlives its host: the kernel kills its first process when the thread that made it ends, the keeper
// ends when its channel closes, and with the first process of a pid namespace goes every other.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {

// A session of its own has no terminal to push keystrokes into.
int leave_terminal(Containment&) { return setsid() >= 0 ? 0 : errno; }

// From the first moment on. A host that died before has closed its end of the socket, or is about to: whoever then still
// waits for its word reads the end of it (await_host, await_limits), and the keeper does on its channel.
int die_with_host(Containment& child) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return errno;
  pollfd host = {child.fds[kSyncFd], POLLIN, 0};
  if (poll(&host, 1, 0) > 0 && (host.revents & POLLHUP) != 0) return EPIPE;
  return 0;
}

// After the last change of uid, which clears the death signal.
int still_die_with_host(Containment& child) {
  // Without a pid namespace, orphans come to the keeper, which ends them.
  if (child.plan.level > Level::kNoProc && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    return errno;
  }
  return die_with_host(child);
}

}  // namespace toccata::sandbox
