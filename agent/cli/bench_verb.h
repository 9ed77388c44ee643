#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct BenchOptions {
  std::string model = "nano";
  std::string device = "auto", precision = "auto", kv = "auto";
  std::vector<int> prompts = {512};     // tokens read at once
  std::vector<int> depths = {0};        // tokens in the session before decoding begins
  std::vector<int> parallel = {1};      // sessions that decode at the same time, each on a thread of its own
  int decode = 64;                      // tokens sampled by each
  int repeats = 3;
  bool offline = false;
  bool json = false;
  bool profile = false;
  bool no_graphs = false;
  double gpu_gib = 0;  // 0: what is free
};

// `toccata bench`: how fast this machine runs the model. A table, or one JSON object a line.
int bench_verb(const BenchOptions& options, const Environment& env);

}  // namespace toccata::cli
