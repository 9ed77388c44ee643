// The options a run was made with, from the ledger: what `runs resume`, `fork` and `replay` start from.
#pragma once

#include <set>
#include <string>

#include "agent/cli/options.h"
#include "agent/store/ledger.h"

namespace toccata::cli {

// Sets every option that the run recorded and the command line did not name. `given`: long names of the options that
// were named ("--model"), by flag or environment variable. A recording that lacks an option leaves it as it is.
void apply_recorded(const store::RunRecord& run, const std::set<std::string>& given, AgentOptions& options);

}  // namespace toccata::cli
