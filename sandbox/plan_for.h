#pragma once

#include <string>

#include "sandbox/interpreter.h"
#include "sandbox/linux/plan.h"
#include "sandbox/policy.h"

namespace toccata::sandbox {

// Everything the child will need, read from the host once. `filter` is the seccomp program.
Plan plan_for(
    Level level, const Limits& limits, const Interpreter& python, std::vector<sock_filter> filter
);

// The text the interpreter starts with: the settings of this session, then sandbox/runner.py.
std::string runner_for(const Plan& plan, const Interpreter& python);

}  // namespace toccata::sandbox
