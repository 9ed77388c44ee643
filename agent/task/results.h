// The results of a dataset: one JSON object a line, appended and flushed when a row has ended. The file is what a killed
// run goes on from, so nothing in it is ever changed; of several lines with one key the last counts.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "agent/task/dataset.h"
#include "agent/task/line_file.h"
#include "agent/task/runner.h"

namespace toccata::task {

struct RowResult {
  std::string key;
  std::size_t row = 0;  // number in the dataset as it was
  std::string status;   // "passed", "failed" (an assertion or a schema), "error" (everything else)
  int exit_code = 0;
  std::string message;
  Value input, output;
  Value steps;          // as to_json(StepReport), without their outputs
  std::int64_t tokens = 0;
  double seconds = 0;
};

// The model could not be loaded, a tool or the sandbox was missing, a judge gave no verdict: that is no result of the row.
bool says_nothing(const RowResult& result);

RowResult result_of(const Row& row, const TaskReport& report);
Value to_json(const RowResult& result);

class ResultsFile {
 public:
  // Reads what is there and locks the file; a line that was cut off by a kill is removed. kUnavailable when another
  // process has it; kCorrupt naming file and line when it is something else.
  static Result<std::unique_ptr<ResultsFile>> open(const std::filesystem::path& path);
  // Keeps nothing.
  static std::unique_ptr<ResultsFile> none();

  // What the file said when it was opened, by key.
  const std::map<std::string, RowResult>& known() const { return known_; }
  // From any thread. Throws Exception(kIo) when it cannot be written.
  void append(const RowResult& result);

 private:
  ResultsFile() = default;
  std::unique_ptr<LineFile> lines_;
  std::map<std::string, RowResult> known_;
};

}  // namespace toccata::task
