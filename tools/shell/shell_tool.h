// functions.shell: commands in the same sandbox session as the python tool.
#pragma once

#include <chrono>
#include <memory>

#include "sandbox/session_slot.h"
#include "tools/tool.h"

namespace toccata::tools {

// Each call is a process of its own: neither folder nor environment of one is seen by the next; files are. The walls, the
// limits and the workspace are those of the session.
class ShellTool final : public Tool {
 public:
  // `longest` bounds one command, whatever the model asks for, and holds when it asks for nothing.
  explicit ShellTool(
      std::shared_ptr<sandbox::SessionSlot> slot,
      std::chrono::milliseconds longest = std::chrono::seconds(120)
  );

  const ToolSpec& spec() const override { return spec_; }
  // kOk for exit status 0; kFailed, told to the model, otherwise; kStopsRun when the sandbox cannot be opened.
  // Metadata: {"level", "status", "exit_code"?, "duration_ms", "truncated", "restarted", "artifacts"}.
  ToolResult call(const ToolCall& call, std::stop_token stop) override;

 private:
  std::shared_ptr<sandbox::SessionSlot> slot_;
  std::chrono::milliseconds longest_;
  ToolSpec spec_;
};

}  // namespace toccata::tools
