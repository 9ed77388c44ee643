// `toccata pull MODEL`: weights from a Hugging Face style hub.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct PullOptions {
  std::string model;  // owner/name, or a short name
  std::string revision = "main";
  bool original = false;
  std::optional<std::string> gguf = {};  // "" = the only one
  std::vector<std::string> include = {}, exclude = {};
  std::filesystem::path to = {};  // a plain folder; empty = the cache
  int jobs = 8;
  double stall_timeout_s = 30;
  bool verify = false;
  bool dry_run = false;
  bool offline = false;
  bool quiet = false;
  bool json = false;
};

int pull_verb(const PullOptions& options, const Environment& env);

}  // namespace toccata::cli
