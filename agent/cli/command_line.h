#pragma once

#include "agent/cli/environment.h"

namespace toccata::cli {

// Parses the arguments, runs the verb they name, and returns the exit code of the program.
// Usage errors print what was wrong and return 2; --help and --version return 0.
int run_command_line(int argc, char** argv, const Environment& env);

}  // namespace toccata::cli
