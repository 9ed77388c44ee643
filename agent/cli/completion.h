// `toccata completion bash|zsh|fish`: scripts that complete verbs, options and the values of those that have a list.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::cli {

struct CompletionOption {
  std::vector<std::string> names;  // "-m", "--model"
  std::string help;
  bool takes_value = false;
  std::vector<std::string> choices = {};  // of the value; empty = a file name may stand there
};

struct CompletionVerb {
  std::string name;  // of the program, for the first one
  std::string help;
  std::vector<CompletionOption> options = {};
  std::vector<CompletionVerb> verbs = {};
  std::vector<std::string> words = {};  // that may stand as arguments, next to file names
};

// kInvalidArgument for another shell.
Result<std::string> completion_script(const std::string& shell, const CompletionVerb& program);

}  // namespace toccata::cli
