// Finds a Python interpreter and what it must be able to read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::sandbox {

struct Interpreter {
  std::filesystem::path
      executable;       // as sys.executable says: the real program behind a shim or wrapper script
  std::string version;  // "3.11.2"
  // Its installation and, for a virtual environment, the one it is based on: absolute, without symlinks.
  std::vector<std::filesystem::path> trees;
  std::vector<std::string>
      paths;  // sys.path with site packages; only folders below /usr or `trees`
};

// Runs `python` (empty: /usr/bin/python3, else /usr/local/bin/python3) once, with an empty environment.
// kNotFound when there is none, kUnavailable when it does not run or is older than 3.9.
Result<Interpreter> find_interpreter(const std::filesystem::path& python);

}  // namespace toccata::sandbox
