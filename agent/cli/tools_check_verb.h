#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct ToolsCheckOptions {
  std::vector<std::string> files;
  bool json = false;
};

// Is the file sound? Every problem with its place, exit 2; else what the model will be told, and what stands behind each function.
int tools_check_verb(const ToolsCheckOptions& options, const Environment& env);

}  // namespace toccata::cli
