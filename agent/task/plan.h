// The order of the steps, before anything runs.
#pragma once

#include <string>
#include <vector>

#include "agent/task/task.h"

namespace toccata::task {

// Steps that come before `step`: those it needs, and those whose results it reads. In the order of the file.
std::vector<std::string> comes_after(const Task& task, const Step& step);

// Everything an expression of the step reads.
std::vector<Reference> references_of(const Step& step);
std::vector<Reference> references_of(const Assertion& assertion);

// Indices into task.steps; where nothing else decides, the order of the file. kInvalidArgument naming the circle, at the
// place of one of its steps.
Result<std::vector<std::size_t>> order_steps(const Task& task);

}  // namespace toccata::task
