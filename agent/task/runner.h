// Runs a task: its steps in their order, each as a run of an agent, with its conditions, repetitions and assertions.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/task/host.h"
#include "agent/task/task.h"

namespace toccata::task {

// The exit codes a task adds to those of a run.
inline constexpr int kExitAssertion = 3;
inline constexpr int kExitSchema = 8;

struct StepReport {
  std::string id;
  enum class Status { kDone, kFailed, kSkipped, kNotRun } status = Status::kNotRun;
  int exit_code = 0;
  std::string reason;                 // as of a run, or "assertion", "schema", "template"
  std::string message;                // why it failed, in plain words
  std::vector<std::string> failures;  // assertions that do not hold
  std::vector<std::string> runs;      // ids in the ledger, all attempts
  int attempts = 0;
  Value verdicts = Value::array();    // what judges and graders said: {"check", "verdict", "reason", ...}
  Value artifacts = Value::array();   // {"name", "bytes", "sha256", "path"}
  std::int64_t tokens = 0;            // of all its runs, those of judges included
  double seconds = 0;
  Value output;
  std::string text;
};
const char* to_string(StepReport::Status status);  // "done", "failed", "skipped", "not_run"

struct TaskReport {
  int exit_code = 0;
  std::string message;  // why it failed: names the step
  Value verdicts = Value::array();  // on the output
  Value output;
  std::vector<StepReport> steps;  // in the order they ran
  std::int64_t tokens = 0;
  double seconds = 0;
};

struct TaskInput {
  Value params;  // as bind_params() gives them
  Value row;     // of a dataset; null: none
  std::string folder = {};       // of artifacts: of the row where there are several
  std::string key = {};          // of what is done with what, the same in another process
  std::int64_t seed_offset = 0;  // added to every step's seed
};

// Told when a step begins (status kNotRun) and when it has ended. Not for steps that are not reached.
using StepSink = std::function<void(const StepReport&)>;

TaskReport run_task(
    const Task& task, const TaskInput& input, Host& host, std::stop_token stop = {}, const StepSink& sink = {}
);

Value to_json(const StepReport& report);
Value to_json(const TaskReport& report);

}  // namespace toccata::task
