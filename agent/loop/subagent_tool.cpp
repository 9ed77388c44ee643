#include "agent/loop/subagent_tool.h"

namespace toccata::agent {
namespace {

constexpr const char* kDescription =
    "Hands a part of the work to a sub-agent and returns its answer. It knows nothing of this conversation: the task must\n"
    "say everything that it needs. Good for parts that take many steps and of which only the result matters.";

constexpr const char* kParameters = R"({"type":"object","properties":{
"task":{"type":"string","description":"What to do and what to answer with, complete in itself."},
"tools":{"type":"array","items":{"type":"string"},"description":"Names of the tools it may use; all by default."},
"max_tokens":{"type":"integer","description":"Tokens it may read and write."},
"max_steps":{"type":"integer","description":"Model calls it may make."}},
"required":["task"]})";

}  // namespace

SubagentTool::SubagentTool() {
  spec_.name_space = "functions";
  spec_.functions = {{"delegate", kDescription, kParameters}};
  spec_.effect = tools::Effect::kKeyed;
  spec_.concurrent = true;
  spec_.timeout = std::chrono::hours(24 * 365);  // its own limits and those of its caller end it
}

tools::ToolResult SubagentTool::call(const tools::ToolCall& call, std::stop_token stop) {
  if (delegate_) return delegate_(call, std::move(stop));
  return {tools::ToolStatus::kFailed, kDelegateRecipient, "There are no sub-agents here. Do it yourself.", "{}"};
}

}  // namespace toccata::agent
