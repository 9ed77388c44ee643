#pragma once

#include <linux/sched.h>

#include <cstdint>

namespace toccata::sandbox {

// Every kind a session has of its own.
inline constexpr std::uint64_t kNamespaces = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                                             CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                                             CLONE_NEWCGROUP;

}  // namespace toccata::sandbox
