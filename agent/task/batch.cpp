#include "agent/task/batch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

namespace toccata::task {
namespace {

constexpr int kExitFailed = 1, kExitStopped = 130;

std::vector<Value> bind_all(const Task& task, const std::vector<Row>& rows, const std::vector<GivenParam>& given) {
  std::vector<Value> bound;
  for (const Row& row : rows) {
    Result<Value> params = bind_params(task, given, row.value);
    if (!params) {
      throw Exception(ErrorCode::kInvalidArgument, "row " + std::to_string(row.number) + ": " + params.error().message);
    }
    bound.push_back(std::move(*params));
  }
  return bound;
}

void summarize(const std::vector<std::optional<RowResult>>& done, BatchReport& report) {
  report.n_rows = done.size();
  std::optional<int> code;
  for (const auto& result : done) {
    if (!result) {
      ++report.n_missing;
      continue;
    }
    report.n_passed += result->status == "passed" ? 1 : 0;
    report.n_failed += result->status == "failed" ? 1 : 0;
    report.n_errors += result->status == "error" ? 1 : 0;
    report.tokens += result->tokens;
    if (result->status != "passed") code = !code || *code == result->exit_code ? result->exit_code : kExitFailed;
    report.rows.push_back(*result);
  }
  report.exit_code = report.n_missing > 0 ? kExitStopped : code.value_or(0);
}

}  // namespace

BatchReport run_batch(
    const Task& task,
    const std::vector<Row>& rows,
    const std::vector<GivenParam>& given,
    const BatchOptions& options,
    ResultsFile& results,
    Host& host,
    std::stop_token stop,
    const RowSink& sink
) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Value> params = bind_all(task, rows, given);
  BatchReport report;
  std::vector<std::optional<RowResult>> done(rows.size());
  std::vector<std::size_t> to_do;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto known = results.known().find(rows[i].key);
    if (known == results.known().end() || says_nothing(known->second) ||
        (options.retry_failed && known->second.status != "passed")) {
      to_do.push_back(i);
    } else {
      done[i] = known->second;
      done[i]->row = rows[i].number;  // where it stands now
    }
  }
  report.n_recorded = rows.size() - to_do.size();

  std::stop_source halt;  // by the caller, or because something broke
  const std::stop_callback forward(stop, [&] { halt.request_stop(); });
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;  // guards what follows and `done`
  std::size_t n_done = report.n_recorded;
  std::exception_ptr failure;
  const auto work = [&] {
    for (;;) {
      const std::size_t at = next++;
      if (at >= to_do.size() || halt.stop_requested()) return;
      const Row& row = rows[to_do[at]];
      try {
        const TaskReport ended = run_task(task, {params[to_do[at]], row.value, "row-" + row.key.substr(0, 12) + (row.key.find('#') == std::string::npos ? "" : row.key.substr(row.key.find('#'))), row.key, row.seed_offset}, host, halt.get_token());
        if (ended.exit_code == kExitStopped) return;  // not an end: it runs again next time
        RowResult result = result_of(row, ended);
        const std::scoped_lock lock(mutex);
        results.append(result);
        done[to_do[at]] = std::move(result);
        ++n_done;
        if (sink) sink(*done[to_do[at]], n_done, rows.size());
      } catch (...) {
        const std::scoped_lock lock(mutex);
        if (!failure) failure = std::current_exception();
        halt.request_stop();
        return;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    const auto n_threads = std::min<std::size_t>(static_cast<std::size_t>(std::max(1, options.jobs)), to_do.size());
    for (std::size_t i = 1; i < n_threads; ++i) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  summarize(done, report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

Value to_json(const BatchReport& report) {
  return {{"rows", report.n_rows},         {"passed", report.n_passed},   {"failed", report.n_failed},
          {"errors", report.n_errors},     {"recorded", report.n_recorded}, {"missing", report.n_missing},
          {"tokens", report.tokens},       {"seconds", report.seconds},   {"exit_code", report.exit_code}};
}

}  // namespace toccata::task
