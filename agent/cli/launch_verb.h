#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct LaunchOptions {
  std::string client;                  // codex, claude, opencode
  std::string base_url = {};           // empty = where `toccata serve` listens by default
  std::string model = {};              // empty = the one that is served
  bool print = false;                  // say what would be set and run
  std::vector<std::string> arguments;  // of the client
};

// Runs the client against the server at the address; where none answers, against one that is started for it and ended
// with it. Returns the client's exit code, 128 + N when signal N ended it.
int launch_verb(const LaunchOptions& options, const Environment& env);

}  // namespace toccata::cli
