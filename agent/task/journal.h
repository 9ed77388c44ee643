// Runs of steps that have ended, kept in a file: a task that was killed and is started again gets their answers from
// there and goes on with the step it was in. What is not the same order any more (another prompt, model, setting, another
// task file) runs anew.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/task/host.h"
#include "agent/task/line_file.h"

namespace toccata::task {

class JournalHost final : public Host {
 public:
  // Errors as of LineFile. `host` runs what is not known.
  static Result<std::unique_ptr<JournalHost>> open(const std::filesystem::path& path, Host& host);

  StepEnd run_step(const StepOrder& order, std::stop_token stop) override;
  CheckEnd run_check(const CheckOrder& order, std::stop_token stop) override { return host_.run_check(order, stop); }
  Result<std::string> read_file(const std::string& path) override { return host_.read_file(path); }

  Result<std::string> keep_artifact(const std::string& folder, const std::string& name, const std::string& bytes) override {
    return host_.keep_artifact(folder, name, bytes);
  }

  // Every run of a task (StepOrder::task_key), or of one of its steps and the step's judges: what failed, or is over, is not
  // to be answered from here the next time.
  void forget(const std::string& task_key);
  void forget(const std::string& task_key, const std::string& step);
  // Nothing is left to be done.
  void remove() { lines_->remove(); }

  int n_known() const { return n_known_; }  // runs that were answered from the file

 private:
  struct Entry {
    std::string task_key, step;
    StepEnd end;
  };
  explicit JournalHost(Host& host) : host_(host) {}
  bool take(const Value& line);
  void drop(const std::string& task_key, const std::string& step);

  Host& host_;
  std::unique_ptr<LineFile> lines_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Entry> entries_;
  int n_known_ = 0;
};

}  // namespace toccata::task
