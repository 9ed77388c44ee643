// What the server needs to make calls of its own for its clients' requests: the program implements it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/loop/agent.h"

namespace toccata::server {

// The tools of one conversation, with what they keep between calls: an interpreter and its files, the pages of a browser.
// One thread at a time.
class ToolBox {
 public:
  virtual ~ToolBox() = default;
  virtual const tools::Registry& tools() const = 0;
  // Limits, approval and files; of the rest nothing is looked at.
  virtual const agent::AgentConfig& config() const = 0;
};

// An MCP server that the operator has configured.
struct McpServerInfo {
  std::string label;       // its name in the configuration
  std::string url;         // empty: a program
  std::string name_space;  // its functions are "name_space.function"
};

// Any thread.
class ToolHost {
 public:
  virtual ~ToolHost() = default;
  // What boxes hold, for its specs: nothing of it is called.
  virtual const tools::Registry& catalog() const = 0;
  virtual const std::vector<McpServerInfo>& mcp_servers() const = 0;
  // Where calls of stored responses are recorded.
  virtual std::filesystem::path ledger() const = 0;
  // The level of protection that the code of a box runs under; empty: nothing runs code.
  virtual std::string sandbox_level() const = 0;
  // Throws Exception where there can be none. Costs little until the first call.
  virtual std::unique_ptr<ToolBox> open() = 0;
};

}  // namespace toccata::server
