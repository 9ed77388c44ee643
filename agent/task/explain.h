// What a task would do, without doing it.
#pragma once

#include <string>

#include "agent/task/task.h"

namespace toccata::task {

// The plan as one JSON object: {"task", "params", "steps": [{"step", "after", "model", "tools", ..., "prompt"}], ...} in
// the order of running. Prompts are resolved as far as `params` and `row` allow; what only a run can know is left in
// {{ }}. `fallback`: what holds where a step says nothing.
Value explain(const Task& task, const Value& params, const Value& row, const Settings& fallback);

// The same for people.
std::string explain_text(const Value& plan);

}  // namespace toccata::task
