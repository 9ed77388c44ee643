#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/linux/layers.h"

namespace toccata::sandbox {

namespace {

int empty_bounding_set() {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
  }
  return 0;
}

int close_every_way_back() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                  SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  return prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) == 0 ? 0 : errno;
}

}  // namespace

// Without a user namespace root still becomes somebody who owns nothing; with the uid go the capabilities.
int leave_root(Containment& child) {
  if (child.plan.level <= Level::kNoProc || !child.plan.host_is_root) return 0;
  if (const int error = empty_bounding_set()) return error;
  if (syscall(SYS_setgroups, 0, nullptr) != 0) return errno;
  if (syscall(SYS_setresgid, kOutsideId, kOutsideId, kOutsideId) != 0) return errno;
  return syscall(SYS_setresuid, kOutsideId, kOutsideId, kOutsideId) == 0 ? 0 : errno;
}

// Every capability set empty, the bounding set included, and no way to gain any by exec. Who has no user namespace of his
// own has no right to empty the bounding set: no_new_privs then makes it meaningless.
int drop_privileges(Containment& child) {
  if (child.plan.level <= Level::kNoProc) {
    if (const int error = empty_bounding_set()) return error;
    if (const int error = close_every_way_back()) return error;
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) return errno;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

}  // namespace toccata::sandbox
