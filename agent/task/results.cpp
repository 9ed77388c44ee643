#include "agent/task/results.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/mapped_file.h"

namespace toccata::task {
namespace {

Error system_error(const std::filesystem::path& path, const char* what) {
  return Error{ErrorCode::kIo, path.string() + ": cannot " + what + ": " + std::strerror(errno)};
}

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
  results->path_ = path;
  results->file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (results->file_ < 0) return system_error(path, "open");
  if (::flock(results->file_, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kUnavailable, path.string() + ": another process is writing it; wait for it or name another file"};
  }
  constexpr std::size_t kFileMax = std::size_t{2} << 30;
  Result<std::string> text = read_text_file(path, kFileMax);
  if (!text) return text.error();
  std::size_t at = 0, line = 0;
  while (at < text->size()) {
    const std::size_t end = text->find('\n', at);
    ++line;
    if (end == std::string::npos) break;
    Value json;
    RowResult result;
    if (!parse_json(std::string_view(*text).substr(at, end - at), json) || !from_json(json, result)) {
      return Error{ErrorCode::kCorrupt, path.string() + ":" + std::to_string(line) +
                                            ": found no result of a row, expected what an earlier run wrote; name another file"};
    }
    results->known_[result.key] = std::move(result);
    at = end + 1;
  }
  // Only the end can be torn, and only by a process that died while it wrote: that row was not done. Something that
  // never was a result is left alone.
  if (at < text->size()) {
    if ((*text)[at] != '{') {
      return Error{ErrorCode::kCorrupt, path.string() + ":" + std::to_string(line) + ": found no result of a row; name another file"};
    }
    if (::ftruncate(results->file_, static_cast<off_t>(at)) != 0) return system_error(path, "cut the torn last line off");
  }
  return results;
}

ResultsFile::~ResultsFile() {
  if (file_ >= 0) ::close(file_);
}

void ResultsFile::append(const RowResult& result) {
  if (file_ < 0) return;
  const std::string line = to_json_text(to_json(result)) + "\n";
  const std::scoped_lock lock(mutex_);
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = ::write(file_, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Exception(system_error(path_, "write"));
    written += static_cast<std::size_t>(n);
  }
  if (::fdatasync(file_) != 0 && errno != EINVAL) throw Exception(system_error(path_, "write"));  // EINVAL: a pipe
}

}  // namespace toccata::task
