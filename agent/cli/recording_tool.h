// Functions that are only there to see how a model calls them: every call is written down and answered with a fixed text.
#pragma once

#include "agent/task/value.h"
#include "tools/tool.h"

namespace toccata::cli {

class RecordingTool final : public tools::Tool {
 public:
  // `functions`: a list of {name, description, parameters, result}.
  explicit RecordingTool(const task::Value& functions);

  const tools::ToolSpec& spec() const override { return spec_; }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override;
  // {name, arguments}: an object, or a text where the model wrote no JSON object.
  const task::Value& calls() const { return calls_; }

 private:
  tools::ToolSpec spec_;
  task::Value functions_;
  task::Value calls_ = task::Value::array();
};

}  // namespace toccata::cli
