#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace toccata::sandbox {

// While it lives, the thread touches files as this uid and gid (-1: as itself). The quota file systems of a session know
// no other identity than the session's.
class ActAs {
 public:
  explicit ActAs(std::int64_t id) : id_(id) {
    if (id_ < 0) return;
    syscall(SYS_setfsgid, id_);
    syscall(SYS_setfsuid, id_);
  }
  ~ActAs() {
    if (id_ < 0) return;
    syscall(SYS_setfsuid, geteuid());
    syscall(SYS_setfsgid, getegid());
  }
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  std::int64_t id_;
};

}  // namespace toccata::sandbox
