// A tool that a run and the runs it makes share: a function of the caller's, which has no state of theirs.
#pragma once

#include <memory>
#include <mutex>

#include "tools/tool.h"

namespace toccata::cli {

// Calls go to `tool`, one at a time however many runs there are, unless it allows more. Must not outlive it.
class SharedTool final : public tools::Tool {
 public:
  SharedTool(tools::Tool& tool, std::shared_ptr<std::mutex> mutex) : tool_(tool), mutex_(std::move(mutex)) {}
  const tools::ToolSpec& spec() const override { return tool_.spec(); }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override {
    if (tool_.spec().concurrent) return tool_.call(call, std::move(stop));
    const std::lock_guard lock(*mutex_);
    return tool_.call(call, std::move(stop));
  }

 private:
  tools::Tool& tool_;
  std::shared_ptr<std::mutex> mutex_;
};

}  // namespace toccata::cli
