// The python tool gpt-oss was trained with: a stateful notebook whose cells run in the sandbox.
#pragma once

#include <chrono>
#include <memory>

#include "sandbox/session_slot.h"
#include "tools/tool.h"

namespace toccata::tools {

// Recipient `python`, raw source in (see cell_code.h), text out. One interpreter for the life of the tool, which is one
// run; it is opened by the first call.
class PythonTool final : public Tool {
 public:
  // Borrows the sandbox. `timeout` bounds one cell; past it the cell is interrupted. spec().timeout is ten seconds more.
  explicit PythonTool(
      sandbox::Sandbox& sandbox, std::chrono::milliseconds timeout = std::chrono::seconds(120)
  );

  // Works in a session that other tools use too.
  PythonTool(std::shared_ptr<sandbox::SessionSlot> slot, std::chrono::milliseconds timeout);

  const ToolSpec& spec() const override { return spec_; }
  // kOk when the code ran to its end; kFailed, told to the model, when it raised, ran out of time or ended the
  // interpreter; kStopsRun when the sandbox cannot be opened. Metadata: {"level", "status", "duration_ms",
  // "truncated", "restarted", "state_lost", "artifacts"}, and "network" (tools/session_network.h) where there is one.
  ToolResult call(const ToolCall& call, std::stop_token stop) override;

  // The interpreter with its workspace, for whoever wants the files; null before the first call.
  sandbox::Session* session() const { return slot_->session(); }

 private:
  std::shared_ptr<sandbox::SessionSlot> slot_;
  std::chrono::milliseconds timeout_;
  ToolSpec spec_;
};

}  // namespace toccata::tools
