// A fork of an interpreter behind the walls that stand already: the protocol, seen from the host (its other side and a
// description: keeper.py).
#pragma once

#include <cstdint>

#include "core/base/error.h"
#include "sandbox/linux/spawn.h"

namespace toccata::sandbox {

struct Branch {
  Child child;
  std::uint32_t generation = 0;
};

// Forks the interpreter of `origin`, which waits for its next cell as `generation`. `number`: as of a cell, none like it
// before. kUnavailable when it has more than one thread or no room for another process, or answers nothing in time; the
// origin then goes on.
Result<Branch> fork_interpreter(const Child& origin, std::uint32_t generation, std::uint64_t number);

}  // namespace toccata::sandbox
