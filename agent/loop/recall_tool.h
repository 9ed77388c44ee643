// A tool for outputs the model read only a part of, or that were left out of its log since.
#pragma once

#include "agent/store/ledger.h"
#include "tools/tool.h"

namespace toccata::agent {

inline constexpr const char* kRecallRecipient = "context.recall";
// What its outputs begin with.
inline constexpr const char* kRecalledHead = "[Bytes ";

// context.recall({"call": 3, "offset": 0, "bytes": 16000}): a part of what call 3 of this run gave. Pure.
class RecallTool final : public tools::Tool {
 public:
  // Borrows the ledger. The run is told by the idempotency key of each call, "<run>/<call>".
  explicit RecallTool(const store::Ledger& ledger);
  const tools::ToolSpec& spec() const override { return spec_; }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override;

 private:
  const store::Ledger& ledger_;
  tools::ToolSpec spec_;
};

}  // namespace toccata::agent
