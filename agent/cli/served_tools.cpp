#include "agent/cli/served_tools.h"

#include <algorithm>

#include "agent/cli/sandbox_setup.h"

namespace toccata::cli {
namespace {

class Box final : public server::ToolBox {
 public:
  explicit Box(AgentSetup setup) : setup_(std::move(setup)) {}
  const tools::Registry& tools() const override { return setup_.tools; }
  const agent::AgentConfig& config() const override { return setup_.config; }

 private:
  AgentSetup setup_;
};

}  // namespace

ServedTools::ServedTools(AgentOptions options, const Environment& env, std::filesystem::path ledger)
    : options_(std::move(options)), env_(env), ledger_(std::move(ledger)) {
  std::erase_if(options_.tools, [](const std::string& name) { return name != "python" && name != "browser" && !names_mcp(name); });
  if (options_.tools.empty()) {
    throw Exception(ErrorCode::kInvalidArgument, "--api-tools offers python, browser and MCP servers, and --tools names none of them");
  }
  if (options_.approve != "always") options_.approve = "never";
  if (std::find(options_.tools.begin(), options_.tools.end(), "python") != options_.tools.end()) {
    sandbox_ = std::make_unique<sandbox::Sandbox>(make_sandbox(options_, env_));
    warn_if_weak(*sandbox_);
  }
  std::vector<McpNames> added;
  catalog_ = make(&added);
  for (const McpNames& server : added) mcp_servers_.push_back({server.name, server.url, server.name_space});
  options_.quiet = true;  // it has been said
}

AgentSetup ServedTools::make(std::vector<McpNames>* added) const {
  AgentSetup setup = set_up_tools(options_, env_, sandbox_.get());
  add_mcp_tools(options_, env_, /*constrained=*/false, setup.secrets, setup.tools, added);
  return setup;
}

std::string ServedTools::sandbox_level() const { return sandbox_ ? sandbox::to_string(sandbox_->level()) : std::string(); }

std::unique_ptr<server::ToolBox> ServedTools::open() { return std::make_unique<Box>(make(nullptr)); }

}  // namespace toccata::cli
