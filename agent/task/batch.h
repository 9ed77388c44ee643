// A task over all rows of a dataset, several at once, going on where an earlier process stopped.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "agent/task/dataset.h"
#include "agent/task/results.h"
#include "agent/task/runner.h"

namespace toccata::task {

struct BatchOptions {
  int jobs = 1;
  bool retry_failed = false;  // rows that are recorded and did not pass run again; exits 2, 6 and 7 do so in any case
};

struct BatchReport {
  std::vector<RowResult> rows;  // in the order of the dataset; those that never ended are left out
  std::size_t n_rows = 0, n_passed = 0, n_failed = 0, n_errors = 0;
  std::size_t n_recorded = 0;  // of these, the ones an earlier process had done
  std::size_t n_missing = 0;   // stopped before their end
  std::int64_t tokens = 0;
  double seconds = 0;
  // 0 when every row passed; the code of the rows that did not where they agree, else 1; 130 when rows are missing.
  int exit_code = 0;
};

// Told after each row, from one thread at a time.
using RowSink = std::function<void(const RowResult& result, std::size_t done, std::size_t total)>;

// Every row's parameters are bound before the first one runs: a row that does not fit the task throws
// Exception(kInvalidArgument) naming its line. `rows` must be named.
BatchReport run_batch(
    const Task& task,
    const std::vector<Row>& rows,
    const std::vector<GivenParam>& given,
    const BatchOptions& options,
    ResultsFile& results,
    Host& host,
    std::stop_token stop = {},
    const RowSink& sink = {}
);

Value to_json(const BatchReport& report);  // without the rows

}  // namespace toccata::task
