// `toccata task run|validate|explain FILE.yaml`.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

struct TaskOptions {
  AgentOptions agent;
  std::set<std::string> given = {};       // long names of the options the user named: these win over the file
  std::filesystem::path file = {};
  std::vector<std::string> params = {};   // name=value
  bool dry_run = false;
  std::filesystem::path dataset = {}, results = {}, junit = {}, report = {}, html = {};
  std::filesystem::path artifacts = "artifacts";  // folder
  std::filesystem::path state = {};       // runs of steps, for a task that may be killed
  int jobs = 1;
  std::string shard = {};                 // of the dataset: "i/n"
  bool retry_failed = false;
  std::string judge = {};                 // model of all judges
};

int task_run_verb(const TaskOptions& options, const Environment& env);
// Silent and 0 when the file is sound; with --json {"valid", "problems"} on stdout.
int task_validate_verb(const TaskOptions& options, const Environment& env);
int task_explain_verb(const TaskOptions& options, const Environment& env);

}  // namespace toccata::cli
