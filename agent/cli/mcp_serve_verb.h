#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

struct McpServeOptions {
  AgentOptions agent;                              // its tools: those offered, `run` among them
  std::vector<std::string> run_tools = {"python"};  // of the agent behind `run`
  std::string listen = {};                         // HOST:PORT, or a port; empty = stdio
  std::vector<std::string> api_keys = {};
  std::vector<std::string> cors_origins = {};
  std::vector<std::string> allowed_hosts = {};
  int sessions = 16;   // interpreters and browsers kept at once
  double drain_s = 5;  // after a signal, over HTTP
};

// "8765", ":8765", "0.0.0.0:8765", "[::1]:8765" -> address and port. Throws Exception(kInvalidArgument).
std::pair<std::string, int> parse_listen(const std::string& text);

// Serves until the client closes its end (stdio), or until SIGINT or SIGTERM, and returns 0; a second signal ends the
// program at once. stdout carries messages only; whatever else would be printed there goes to stderr.
int mcp_serve_verb(const McpServeOptions& options, const Environment& env);

}  // namespace toccata::cli
