// The options of `toccata bench`.
#pragma once

#include "agent/cli/bench_verb.h"
#include "agent/cli/dev_flags.h"

namespace toccata::cli {

void add_bench(CLI::App& app, BenchOptions& o, Action& action, const Environment& env);

}  // namespace toccata::cli
