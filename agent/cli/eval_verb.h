// `toccata eval PRESET DATA`.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"

namespace toccata::cli {

struct EvalOptions {
  AgentOptions agent;
  std::set<std::string> given = {};  // long names of the options the user named
  std::string preset = {};
  std::filesystem::path data = {};
  std::filesystem::path out = {};    // folder for results and reports; empty: the summary alone
  int samples = 1;
  int jobs = 1;
  std::size_t limit = 0;
  std::string shard = {};            // of the answers: "i/n"
  std::string judge = {};
  double fail_under = 0;             // percent
};

// 0 when every answer was graded, right or wrong; 3 when the accuracy is below fail_under; the code of what went wrong where
// nothing was learned of an item; 130 when it was stopped.
int eval_verb(const EvalOptions& options, const Environment& env);
// A line a preset: what it is and the fields of its rows. For --help.
std::string eval_presets_help();

}  // namespace toccata::cli
