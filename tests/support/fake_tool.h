#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/tool.h"

namespace toccata::testing {

// A tool that does what a lambda says and remembers its calls.
class FakeTool : public tools::Tool {
 public:
  using Action = std::function<tools::ToolResult(const tools::ToolCall&, std::stop_token)>;

  FakeTool(tools::ToolSpec spec, Action action)
      : spec_(std::move(spec)), action_(std::move(action)) {}
  const tools::ToolSpec& spec() const override { return spec_; }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token stop) override {
    calls->push_back(call);
    return action_(call, std::move(stop));
  }

  // Shared, so that a test can look after the registry has taken the tool.
  std::shared_ptr<std::vector<tools::ToolCall>> calls =
      std::make_shared<std::vector<tools::ToolCall>>();

 private:
  tools::ToolSpec spec_;
  Action action_;
};

inline FakeTool::Action answering(std::string content) {
  return [content = std::move(content)](const tools::ToolCall& call, std::stop_token) {
    return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, content, "{}"};
  };
}

// functions.add(a, b) and functions.now(): declared in the developer message.
inline std::unique_ptr<FakeTool> fake_functions(FakeTool::Action action) {
  tools::ToolSpec spec;
  spec.name_space = "functions";
  spec.functions = {
      {"add",
       "Adds two numbers.",
       R"({"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]})"},
      {"now", "The time.", ""}};
  return std::make_unique<FakeTool>(std::move(spec), std::move(action));
}

// A raw tool as python is one: declared in the system message, its body is not JSON.
inline std::unique_ptr<FakeTool> fake_python(FakeTool::Action action) {
  tools::ToolSpec spec;
  spec.name_space = "python";
  spec.description = "Runs python code.";
  spec.placement = tools::Placement::kSystem;
  return std::make_unique<FakeTool>(std::move(spec), std::move(action));
}

}  // namespace toccata::testing
