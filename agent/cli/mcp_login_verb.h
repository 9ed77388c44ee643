// Logins of MCP servers: who is logged in to, logging in, and forgetting it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

struct McpLoginOptions {
  AgentOptions agent;                    // proxy and --offline
  std::vector<std::string> files = {};   // that name servers; empty = the user's own mcp.json
  std::string name = {};                 // of the server
  double timeout_s = 300;                // for the user
  std::optional<bool> open = {};         // with xdg-open; unset: at a terminal with a screen
  bool json = false;
};

// Logs in with the user's browser, or with what the entry of the server has, and keeps the tokens. 0, 2 for a server that is
// unknown or has no login, 5 when it is refused, 124 when nobody logs in in time; errors as Exceptions.
int mcp_login_verb(const McpLoginOptions& options, const Environment& env);
// Forgets the tokens. 0, also when there were none.
int mcp_logout_verb(const McpLoginOptions& options, const Environment& env);
// One line a server: name, address or program, and its login as far as this machine knows it. No server is asked.
int mcp_list_verb(const McpLoginOptions& options, const Environment& env);

}  // namespace toccata::cli
