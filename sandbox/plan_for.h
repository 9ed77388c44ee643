#pragma once

#include <string>

#include "sandbox/interpreter.h"
#include "sandbox/linux/plan.h"
#include "sandbox/policy.h"
#include "sandbox/shown_folders.h"

namespace toccata::sandbox {

// Everything the child will need, read from the host once. `filter` is the seccomp program.
Plan plan_for(
    Level level, const Limits& limits, const Interpreter& python, const std::vector<ShownFolder>& folders,
    std::vector<sock_filter> filter
);

// Gives the session of a plan its way out: sandbox/egress.h.
void open_network(Plan& plan);

// What a plan without a root of its own needs besides: its workspace `folder`/data, `folder`/tmp, and the paths of the
// host that it may touch.
void stand_on_host(
    Plan& plan, const Interpreter& python, const std::vector<ShownFolder>& folders, const std::string& folder
);

// The plan of the zygote whose forks follow `forked`, a plan of role kForked. `filter` is the zygote's.
Plan zygote_plan_for(
    const Plan& forked,
    const Limits& limits,
    const Interpreter& python,
    const std::vector<ShownFolder>& folders,
    std::vector<sock_filter> filter
);

// The text the interpreter starts with: its settings, then sandbox/keeper.py and interpreter.py, and zygote.py for a zygote.
std::string runner_for(
    const Plan& plan, const Interpreter& python, const std::vector<std::string>& imports = {}
);

}  // namespace toccata::sandbox
