// Do the assertions of a step or a task hold?
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "agent/task/host.h"
#include "agent/task/task.h"

namespace toccata::task {

// Runs a prompt that is not a step of the task: the caller names it, limits it and counts it.
using AskModel = std::function<StepEnd(StepOrder order)>;

// What assertions look at. `scope` has "output" and "text".
struct Evidence {
  const Scope& scope;
  const Files& files;  // of the model's workspace
  Host& host;
  std::stop_token stop = {};
  AskModel ask = {};            // for judges
  Value* verdicts = nullptr;    // a list that gets what judges and graders said
};

// One sentence for each that does not hold: "report.yaml:7:9: equals: found '4', expected '5'". An assertion that cannot
// be evaluated does not hold. Throws Exception when one needs a sandbox and there is none, JudgeError when a judge gave no
// verdict.
std::vector<std::string> failed_assertions(const std::vector<Assertion>& assertions, const Evidence& evidence);

// Runs a hook; what it printed is in the end's output. The end is not ok when the command's exit code is not 0.
CheckEnd run_hook(const Hook& hook, const Evidence& evidence, bool keep_files);

// Whether any looks at files or runs code, so that the workspace must be kept.
bool looks_at_files(const std::vector<Assertion>& assertions);

}  // namespace toccata::task
