#include "agent/task/task.h"

#include <algorithm>

namespace toccata::task {
namespace {

template <class T>
void fill(std::optional<T>& to, const std::optional<T>& from) {
  if (!to) to = from;
}

}  // namespace

const char* to_string(ParamType type) {
  switch (type) {
    case ParamType::kString: return "string";
    case ParamType::kInteger: return "integer";
    case ParamType::kNumber: return "number";
    case ParamType::kBoolean: return "boolean";
    case ParamType::kList: return "list";
    case ParamType::kObject: return "object";
  }
  return "?";
}

const char* to_string(Assertion::Kind kind) {
  switch (kind) {
    case Assertion::Kind::kEquals: return "equals";
    case Assertion::Kind::kContains: return "contains";
    case Assertion::Kind::kNotContains: return "not_contains";
    case Assertion::Kind::kRegex: return "regex";
    case Assertion::Kind::kNumber: return "number";
    case Assertion::Kind::kSchema: return "schema";
    case Assertion::Kind::kJudge: return "judge";
    case Assertion::Kind::kThat: return "that";
    case Assertion::Kind::kFile: return "file";
    case Assertion::Kind::kPython: return "python";
    case Assertion::Kind::kCommand: return "command";
    case Assertion::Kind::kGrade: return "grade";
  }
  return "?";
}

void Settings::fill_from(const Settings& other) {
  fill(model, other.model);
  fill(reasoning, other.reasoning);
  fill(tools, other.tools);
  fill(tool_files, other.tool_files);
  fill(temperature, other.temperature);
  fill(timeout_s, other.timeout_s);
  fill(max_sandbox_cpu_s, other.max_sandbox_cpu_s);
  fill(seed, other.seed);
  fill(max_turns, other.max_turns);
  fill(budget_tokens, other.budget_tokens);
  fill(max_step_tokens, other.max_step_tokens);
  fill(max_reasoning_tokens, other.max_reasoning_tokens);
  fill(subagents, other.subagents);
  fill(best_of, other.best_of);
  fill(judge, other.judge);
}

const Step* Task::find(const std::string& id) const {
  const auto step = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.id == id; });
  return step == steps.end() ? nullptr : &*step;
}

}  // namespace toccata::task
