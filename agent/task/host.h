// What a task needs of the program around it: somebody who runs one prompt, a sandbox, a folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "agent/task/task.h"

namespace toccata::task {

// path -> bytes
using Files = std::map<std::string, std::string>;

// One run of an agent.
struct StepOrder {
  std::string task, step;  // names, recorded with the run; "list[2]" for an item of a foreach
  std::string task_key;     // as of TaskInput
  int number = 1;           // how often the task has come to this step by now: attempts, rounds of an until
  std::string prompt;
  std::optional<std::string> instructions;
  std::optional<std::string> model;  // rendered
  std::optional<std::string> output_schema;  // JSON text: the model is told, and held to it where that can be done
  Value functions;                   // that the model may call: a list of {name, description, parameters, result}; null: none
  Settings settings;                 // `model` excepted; time and budget cut to what the task has left
  bool keep_files = false;           // of the model's workspace, for assertions
  Files files;                       // put into the workspace before the model's first call
  bool is_judge = false;             // asked about an answer: nothing of the project is told to it
};

struct StepEnd {
  int exit_code = 1;  // as of agent::RunOutcome
  std::string reason, message, final, run_id;
  std::int64_t tokens = 0;  // read and written
  Files files;              // relative to /mnt/data
  Value calls = Value::array();  // of `functions`, as they came: {name, arguments}
};

// Code of the task's author, run where the model's own code never ran.
struct CheckOrder {
  std::string code;  // Python
  double timeout_s = 30;
  Files files;       // of the model's workspace, put there as far as they can be
  Files context;     // put there in any case
  bool keep_files = false;  // what is there in the end
};

struct CheckEnd {
  bool ok = false;  // it ended without raising
  std::string output;
  Files files;       // when they are to be kept; neither context nor too large
};

// Called by several threads when rows run side by side.
class Host {
 public:
  virtual ~Host() = default;
  // Never throws on what the model does. Throws Exception where no run can be made at all.
  virtual StepEnd run_step(const StepOrder& order, std::stop_token stop) = 0;
  // Throws Exception when there is no sandbox.
  virtual CheckEnd run_check(const CheckOrder& order, std::stop_token stop) = 0;
  // A file of the task's folder; kNotFound when there is none.
  virtual Result<std::string> read_file(const std::string& path) = 0;
  // Keeps a file of a step for the user; where it is now. `folder`: of the step, and of the row where there are several.
  virtual Result<std::string> keep_artifact(const std::string& folder, const std::string& name, const std::string& bytes) = 0;
};

}  // namespace toccata::task
