#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace toccata::cli {

struct DevLogitsOptions {
  std::filesystem::path model;   // a checkpoint folder
  std::filesystem::path tokens;  // a JSON list of ids
  std::string device = "cpu";
  std::string precision = "f32";
  std::string kv = "auto";
  std::vector<int> rows;  // positions whose logits are printed
  int greedy = 0;         // tokens to continue with
};

// Writes {"rows":{"i":[logits]},"greedy":[ids]} on one line. Returns the exit code; errors of the checkpoint are 7.
int dev_logits(const DevLogitsOptions& options, std::ostream& out, std::ostream& err);

}  // namespace toccata::cli
