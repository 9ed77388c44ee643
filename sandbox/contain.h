#pragma once

#include <span>

#include "sandbox/linux/plan.h"

namespace toccata::sandbox {

// What a layer works on, inside the child.
struct Containment {
  const Plan& plan;
  ChildFds& fds;
  std::span<int> trees;  // one per plan.binds, filled and used by the mount layers
};

// One wall. `apply` runs in the child between clone and exec: system calls only. 0, or the errno of what failed.
struct Layer {
  const char* name;    // as doctor shows it
  Level weakest_with;  // the weakest level that still has this layer
  int (*apply)(Containment&);
  bool around_zygote =
      true;  // false: its forks alone need it, or it would keep the zygote from putting up walls around them
};

// The walls in the order in which they are put up.
std::span<const Layer> layers();

// Sent by the child over the sync socket: a layer that failed, or, with one of these instead of a layer, what it hands over as
// an attached descriptor. When the socket just closes, the interpreter was started.
struct ChildReport {
  static constexpr int kWorkspaceReady = -1;  // the workspace folder
  static constexpr int kAllUp = -2;  // nothing; probe_only: every wall stands
  static constexpr int kWayOutReady = -3;  // the listening socket of the session's own loopback
  int layer = 0;
  int error = 0;
};

// In the child: puts up every wall of the plan's level, in order; when one fails, reports it and ends the process.
void put_up_walls(const Plan& plan, ChildFds fds);

// In the child: the same, and then becomes the interpreter. Never returns.
[[noreturn]] void contain(const Plan& plan, ChildFds fds);

}  // namespace toccata::sandbox
