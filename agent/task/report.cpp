#include "agent/task/report.h"

#include <algorithm>
#include <cstdio>

#include "agent/task/markup.h"

namespace toccata::task {
namespace {

std::string decimal(double value, const char* format = "%.3f") {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// One cell of a Markdown table: one line, bounded, and nothing in it is markup.
std::string cell(const Value& value) {
  constexpr std::size_t kShown = 160;
  std::string text = to_text(value), out;
  if (text.size() > kShown) {
    text.resize(kShown);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0xC0) text.pop_back();
    text += "...";
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += ' ';
    } else {
      if (std::string_view("\\`*_{}[]<>#|~!").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string runs_of(const RowResult& row) {
  std::string runs;
  if (!row.steps.is_array()) return runs;
  for (const Value& step : row.steps) {
    if (!step.is_object() || !step.contains("runs")) continue;
    for (const Value& run : step["runs"]) runs += (runs.empty() ? "" : " ") + to_text(run);
  }
  return runs;
}

void table(const std::vector<RowResult>& rows, bool passed_too, std::string& out) {
  out += "| row | status | exit | seconds | input | output | why | runs |\n|---|---|---|---|---|---|---|---|\n";
  for (const RowResult& row : rows) {
    if (!passed_too && row.status == "passed") continue;
    out += "| " + std::to_string(row.row) + " | " + row.status + " | " + std::to_string(row.exit_code) + " | " +
           decimal(row.seconds, "%.2f") + " | " + cell(row.input) + " | " + cell(row.output) + " | " + cell(row.message) +
           " | " + cell(runs_of(row)) + " |\n";
  }
}

}  // namespace

std::string junit_report(const std::string& task_name, const BatchReport& report) {
  double seconds = 0;
  for (const RowResult& row : report.rows) seconds += row.seconds;
  const std::string counts = "\" tests=\"" + std::to_string(report.n_rows) + "\" failures=\"" + std::to_string(report.n_failed) +
                             "\" errors=\"" + std::to_string(report.n_errors) + "\" skipped=\"" +
                             std::to_string(report.n_missing) + "\" time=\"" + decimal(seconds) + "\">\n";
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"" + markup(task_name) + counts +
                    "  <testsuite name=\"" + markup(task_name) + counts;
  for (const RowResult& row : report.rows) {
    out += "    <testcase classname=\"" + markup(task_name) + "\" name=\"row " + std::to_string(row.row) + " " +
           markup(row.key.substr(0, 12)) + "\" time=\"" + decimal(row.seconds) + "\"";
    if (row.status == "passed") {
      out += "/>\n";
      continue;
    }
    const char* const element = row.status == "failed" ? "failure" : "error";
    out += ">\n      <" + std::string(element) + " type=\"exit " + std::to_string(row.exit_code) + "\" message=\"" +
           markup(row.message) + "\">" + markup("input: " + to_json_text(row.input) + "\noutput: " + to_json_text(row.output) +
                                         "\nruns: " + runs_of(row)) +
           "</" + element + ">\n    </testcase>\n";
  }
  for (std::size_t i = 0; i < report.n_missing; ++i) {
    out += "    <testcase classname=\"" + markup(task_name) + "\" name=\"not reached " + std::to_string(i + 1) +
           "\"><skipped/></testcase>\n";
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

std::string markdown_report(const std::string& task_name, const BatchReport& report) {
  std::string out = "# " + cell(task_name) + "\n\n";
  out += "| rows | passed | failed | errors | not reached | tokens | seconds |\n|---|---|---|---|---|---|---|\n| " +
         std::to_string(report.n_rows) + " | " + std::to_string(report.n_passed) + " | " + std::to_string(report.n_failed) +
         " | " + std::to_string(report.n_errors) + " | " + std::to_string(report.n_missing) + " | " +
         std::to_string(report.tokens) + " | " + decimal(report.seconds, "%.1f") + " |\n\n";
  if (report.n_recorded > 0) out += std::to_string(report.n_recorded) + " rows were done by an earlier process.\n\n";
  if (report.n_failed + report.n_errors > 0) {
    out += "## Did not pass\n\n";
    table(report.rows, false, out);
    out += "\n";
  }
  out += "## All rows\n\n";
  table(report.rows, true, out);
  return out;
}

}  // namespace toccata::task
