// Toccata's tools as an MCP server offers them: python, shell, browser, files, and `run`, a whole agent; skills as prompts.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "agent/cli/serve_runs.h"
#include "agent/cli/session_setup.h"
#include "agent/mcp/service.h"
#include "tools/skills/skills_tool.h"

namespace toccata::cli {

// What each client has of its own: an interpreter with its files, the pages of its browser. A call may name a further
// one (`session`), so that two tasks of one client do not meet. Kept until the client goes or too many are open.
class McpToolbox final : public mcp::Service {
 public:
  // `options.tools`: what is offered, `run` and `skills` among them; `run_tools`: what the agent of `run` may call. Throws Exception
  // for an unknown tool, a sandbox below options.sandbox, an index that cannot be read; the model is looked for by the
  // first `run`, so that a client does not wait for it.
  McpToolbox(AgentOptions options, std::vector<std::string> run_tools, std::size_t sessions_max, const Environment& env);
  ~McpToolbox() override;

  const std::vector<mcp::ToolInfo>& tools() const override { return infos_; }
  std::string lane(const mcp::Call& call) const override;
  mcp::CallResult call(const mcp::Call& call) override;
  bool has_resources() const override { return sandbox_ != nullptr; }
  std::string resource_lane(const std::string& client, const std::string& uri) const override;
  mcp::Json list_resources(const std::string& client) override;
  mcp::Json resource_templates() const override;
  Result<mcp::Json> read_resource(const std::string& client, const std::string& uri) override;
  // Of the template of sandbox files: sessions of the client, and files of the usual one.
  std::vector<std::string> complete(const std::string& client, const mcp::Completion& what) override;
  std::vector<mcp::PromptInfo> prompts() const override;
  Result<mcp::Json> prompt(const std::string& name, const std::map<std::string, std::string>& arguments) override;
  void forget(const std::string& client) override;

 private:
  struct Kept;
  class Use;  // gives back what take() has given
  // Not ended while it is in use. Null when there is none and none shall be made.
  std::shared_ptr<Kept> take(const std::string& scope, bool make);
  mcp::CallResult call_tool(const mcp::Call& call, const std::string& recipient);
  mcp::CallResult run_agent(const mcp::Call& call);
  ServedRuns& runs();
  void describe(const tools::Tool& tool);
  void add_artifacts(mcp::CallResult& result, const std::string& metadata, sandbox::Session& session, const std::string& name) const;

  AgentOptions options_;      // of the tools: `run` is not among its tools
  AgentOptions run_options_;  // of the agent
  const std::size_t sessions_max_;
  const Environment& env_;
  std::unique_ptr<sandbox::Sandbox> sandbox_;  // of all sessions; null without python and shell
  std::unique_ptr<tools::SkillsTool> skills_;   // null: not offered
  std::vector<mcp::ToolInfo> infos_;
  std::vector<std::string> recipients_;  // of infos_: "browser.search"; empty for run

  std::mutex mutex_;                       // guards what follows
  std::list<std::shared_ptr<Kept>> kept_;  // the last one used first
  mutable std::atomic<unsigned> n_runs_ = 0;  // asked for so far
  std::mutex runs_mutex_;
  std::unique_ptr<ServedRuns> runs_;
};

}  // namespace toccata::cli
