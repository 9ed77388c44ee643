// What a task needs of the program: runs of an agent in the ledger, a sandbox for its checks, its folder.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "agent/cli/environment.h"
#include "agent/cli/model_choice.h"
#include "agent/cli/options.h"
#include "agent/cli/run_trace.h"
#include "agent/loop/events.h"
#include "agent/task/host.h"
#include "sandbox/sandbox.h"

namespace toccata::cli {

// Sees every event of every step; from several threads when rows run side by side.
using TaskEventSink = std::function<void(const std::string& step, const agent::Event& event)>;

class TaskHost final : public task::Host {
 public:
  // `options`: what holds where a step says nothing.
  // `judge_model`: of all judges, whatever the task says; empty: as the task says.
  TaskHost(AgentOptions options, const Environment& env, TaskEventSink sink = {}, std::string judge_model = {})
      : options_(std::move(options)), env_(env), sink_(std::move(sink)), judge_model_(std::move(judge_model)), trace_(options_, env) {}

  task::StepEnd run_step(const task::StepOrder& order, std::stop_token stop) override;
  task::CheckEnd run_check(const task::CheckOrder& order, std::stop_token stop) override;
  Result<std::string> read_file(const std::string& path) override;
  Result<std::string> keep_artifact(const std::string& folder, const std::string& name, const std::string& bytes) override;
  // Where artifacts go; made when there is one.
  void set_artifacts(std::filesystem::path folder) { artifacts_ = std::move(folder); }

 private:
  ChosenModel model(const AgentOptions& options);
  AgentOptions options_for(const task::StepOrder& order) const;

  AgentOptions options_;
  const Environment& env_;
  TaskEventSink sink_;
  std::string judge_model_;
  RunTrace trace_;
  std::filesystem::path artifacts_ = "artifacts";
  std::mutex mutex_;                           // guards what follows
  std::map<std::string, ChosenModel> models_;  // by spec: loaded once, shared by all rows
  std::unique_ptr<sandbox::Sandbox> checks_;   // made by the first check
};

}  // namespace toccata::cli
