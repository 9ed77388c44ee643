#include "agent/task/results.h"

#include <algorithm>

namespace toccata::task {
namespace {

// False when the line is no result.
bool from_json(const Value& json, RowResult& result) {
  if (!json.is_object() || !json.contains("key") || !json["key"].is_string()) return false;
  const auto text = [&](const char* name) {
    return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : std::string();
  };
  const auto number = [&](const char* name) {
    constexpr double kMost = 1e9;  // of what is made a whole number below
    return json.contains(name) && json[name].is_number() ? std::clamp(json[name].get<double>(), 0.0, kMost) : 0.0;
  };
  const auto any = [&](const char* name) { return json.contains(name) ? json[name] : Value(); };
  result = {.key = text("key"),
            .row = static_cast<std::size_t>(number("row")),
            .status = text("status"),
            .exit_code = static_cast<int>(number("exit_code")),
            .message = text("message"),
            .input = any("input"),
            .output = any("output"),
            .steps = any("steps"),
            .tokens = static_cast<std::int64_t>(number("tokens")),
            .seconds = number("seconds")};
  return result.status == "passed" || result.status == "failed" || result.status == "error";
}

}  // namespace

bool says_nothing(const RowResult& result) {
  if (result.exit_code == 2 || result.exit_code == 6 || result.exit_code == 7) return true;
  return result.status == "error" && result.steps.is_array() &&
         std::any_of(result.steps.begin(), result.steps.end(), [](const Value& step) {
           return step.is_object() && step.value("reason", Value()) == "judge";
         });
}

RowResult result_of(const Row& row, const TaskReport& report) {
  RowResult result{.key = row.key,
                   .row = row.number,
                   .status = "passed",
                   .exit_code = report.exit_code,
                   .message = report.message,
                   .input = row.value,
                   .output = report.output,
                   .steps = Value::array(),
                   .tokens = report.tokens,
                   .seconds = report.seconds};
  if (report.exit_code != 0) {
    result.status = report.exit_code == kExitAssertion || report.exit_code == kExitSchema ? "failed" : "error";
  }
  for (const StepReport& step : report.steps) {
    if (step.status == StepReport::Status::kFailed && result.output.is_null()) result.output = step.output;  // what did not pass
    Value json = to_json(step);
    json.erase("output");
    result.steps.push_back(std::move(json));
  }
  return result;
}

Value to_json(const RowResult& result) {
  return {{"key", result.key},         {"row", result.row},         {"status", result.status},
          {"exit_code", result.exit_code}, {"message", result.message}, {"input", result.input},
          {"output", result.output},   {"steps", result.steps},     {"tokens", result.tokens},
          {"seconds", result.seconds}};
}

std::unique_ptr<ResultsFile> ResultsFile::none() { return std::unique_ptr<ResultsFile>(new ResultsFile); }

Result<std::unique_ptr<ResultsFile>> ResultsFile::open(const std::filesystem::path& path) {
  std::unique_ptr<ResultsFile> results(new ResultsFile);
  auto lines = LineFile::open(path, "result of a row", [&](const Value& line) {
    RowResult result;
    if (!from_json(line, result)) return false;
    results->known_[result.key] = std::move(result);
    return true;
  });
  if (!lines) return lines.error();
  results->lines_ = std::move(*lines);
  return results;
}

void ResultsFile::append(const RowResult& result) {
  if (lines_) lines_->append(to_json(result));
}

}  // namespace toccata::task
