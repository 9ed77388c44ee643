// The options of `toccata task`.
#pragma once

#include "agent/cli/dev_flags.h"
#include "agent/cli/task_verb.h"

namespace toccata::cli {

void add_task(CLI::App& app, TaskOptions& o, Action& action, const Environment& env);

}  // namespace toccata::cli
