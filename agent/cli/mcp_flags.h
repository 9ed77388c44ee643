// The options of `toccata mcp login`, `logout` and `list`.
#pragma once

#include "agent/cli/dev_flags.h"
#include "agent/cli/mcp_login_verb.h"

namespace toccata::cli {

// Below the verb `mcp`.
void add_mcp_logins(CLI::App& mcp, McpLoginOptions& options, Action& action, const Environment& env);

}  // namespace toccata::cli
