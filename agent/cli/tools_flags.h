// The options of `toccata tools`.
#pragma once

#include "agent/cli/dev_flags.h"
#include "agent/cli/tools_python_verb.h"

namespace toccata::cli {

void add_tools(CLI::App& app, ToolsPythonOptions& o, Action& action, const Environment& env);

}  // namespace toccata::cli
