// The command line as data, and `toccata completion bash|zsh|fish`: scripts that complete verbs, options and the values of
// those that have a list. manual.h writes the same data down for people.
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
  std::string value = {};                 // what the value is: "TEXT", "FILE"; empty for a flag
  std::string default_value = {};
  std::string variable = {};              // of the environment, that sets it too
};

// Something that stands without a name on the line.
struct CompletionArgument {
  std::string name;
  std::string help;
  bool required = false;
  bool many = false;
};

struct CompletionVerb {
  std::string name;  // of the program, for the first one
  std::string help;
  std::vector<CompletionOption> options = {};
  std::vector<CompletionVerb> verbs = {};
  std::vector<std::string> words = {};  // that may stand as arguments, next to file names
  std::vector<CompletionArgument> arguments = {};
  std::string footer = {};  // examples and what else --help says at its end
};

// kInvalidArgument for another shell.
Result<std::string> completion_script(const std::string& shell, const CompletionVerb& program);

}  // namespace toccata::cli
