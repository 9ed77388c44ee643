// The tools that `toccata serve` runs for API requests: those of --tools and --mcp.
#pragma once

#include <memory>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/mcp_setup.h"
#include "agent/cli/options.h"
#include "agent/cli/session_setup.h"
#include "agent/server/tool_host.h"

namespace toccata::cli {

// Of options.tools, python, browser and mcp are offered; requests cannot ask for others. Nobody is asked: calls that need
// approval are refused unless the options approve all.
class ServedTools final : public server::ToolHost {
 public:
  // Throws Exception where none could be opened: a sandbox below options.sandbox, an MCP server that does not answer.
  ServedTools(AgentOptions options, const Environment& env, std::filesystem::path ledger);

  const tools::Registry& catalog() const override { return catalog_.tools; }
  const std::vector<server::McpServerInfo>& mcp_servers() const override { return mcp_servers_; }
  std::filesystem::path ledger() const override { return ledger_; }
  std::string sandbox_level() const override;
  std::unique_ptr<server::ToolBox> open() override;

 private:
  AgentSetup make(std::vector<McpNames>* added) const;

  AgentOptions options_;
  const Environment& env_;
  const std::filesystem::path ledger_;
  std::unique_ptr<sandbox::Sandbox> sandbox_;  // of all boxes; null without python
  AgentSetup catalog_;
  std::vector<server::McpServerInfo> mcp_servers_;
};

}  // namespace toccata::cli
