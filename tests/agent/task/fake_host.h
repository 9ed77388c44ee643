#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/task/host.h"

namespace toccata::testing {

// Answers prompts by a function and remembers what it was asked. Checks pass when their code does not hold "raise".
class FakeHost final : public task::Host {
 public:
  using Answer = std::function<task::StepEnd(const task::StepOrder&)>;
  explicit FakeHost(Answer answer = says("ok")) : answer_(std::move(answer)) {}

  static Answer says(std::string text) {
    return [text = std::move(text)](const task::StepOrder&) { return done(text); };
  }
  static task::StepEnd done(std::string text, task::Files files = {}) {
    return {.exit_code = 0, .reason = "final", .message = {}, .final = std::move(text), .run_id = "run", .tokens = 10,
            .files = std::move(files)};
  }
  static task::StepEnd failed(int exit_code, std::string reason) {
    return {.exit_code = exit_code, .reason = reason, .message = "because of " + reason, .final = {}, .run_id = "run",
            .tokens = 10, .files = {}};
  }

  task::StepEnd run_step(const task::StepOrder& order, std::stop_token) override {
    {
      const std::scoped_lock lock(mutex_);
      orders.push_back(order);
    }
    return answer_(order);
  }
  task::CheckEnd run_check(const task::CheckOrder& order, std::stop_token) override {
    if (no_sandbox) throw Exception(ErrorCode::kUnavailable, "no sandbox here");
    checks.push_back(order);
    if (on_check) on_check();
    return order.code.find("raise") == std::string::npos ? task::CheckEnd{true, check_output, made}
                                                         : task::CheckEnd{false, "Traceback: raised", {}};
  }
  Result<std::string> read_file(const std::string& path) override {
    const auto file = files.find(path);
    if (file == files.end()) return Error{ErrorCode::kNotFound, path + ": no such file"};
    return file->second;
  }
  Result<std::string> keep_artifact(const std::string& folder, const std::string& name, const std::string& bytes) override {
    const std::scoped_lock lock(mutex_);
    artifacts[folder + "/" + name] = bytes;
    return folder + "/" + name;
  }

  std::vector<std::string> prompts() const {
    std::vector<std::string> all;
    for (const auto& order : orders) all.push_back(order.prompt);
    return all;
  }

  std::vector<task::StepOrder> orders;
  std::vector<task::CheckOrder> checks;
  std::string check_output;
  task::Files files;
  task::Files artifacts;
  task::Files made = {};  // by checks
  bool no_sandbox = false;
  std::function<void()> on_check;

 private:
  Answer answer_;
  std::mutex mutex_;
};

}  // namespace toccata::testing
