// The options of `toccata tools`.
#pragma once

#include "agent/cli/dev_flags.h"
#include "agent/cli/tools_check_verb.h"
#include "agent/cli/tools_python_verb.h"

namespace toccata::cli {

struct ToolsOptions {
  ToolsPythonOptions python;
  ToolsCheckOptions check;
};

void add_tools(CLI::App& app, ToolsOptions& o, Action& action, const Environment& env);

}  // namespace toccata::cli
