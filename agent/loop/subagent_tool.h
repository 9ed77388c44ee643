// The tool by which a model hands a part of its task to a run of its own.
#pragma once

#include <functional>
#include <memory>

#include "tools/tool.h"

namespace toccata::agent {

inline constexpr const char* kDelegateRecipient = "functions.delegate";

// functions.delegate({"task": "...", "tools": ["browser"], "max_tokens": 20000, "max_steps": 10}): the answer of a
// sub-agent, with the id of its run. Keyed: a call that was left goes on with the run that it had made.
class SubagentTool final : public tools::Tool {
 public:
  using Delegate = std::function<tools::ToolResult(const tools::ToolCall& call, std::stop_token stop)>;

  SubagentTool();
  const tools::ToolSpec& spec() const override { return spec_; }
  // The run that the tool belongs to, which makes the sub-agents; none: calls are refused. Called on any thread.
  void serve(Delegate delegate) { delegate_ = std::move(delegate); }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override;

 private:
  tools::ToolSpec spec_;
  Delegate delegate_;
};

}  // namespace toccata::agent
