// `toccata tools python`: the modules that sessions of the sandbox find.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"

namespace toccata::cli {

struct ToolsPythonOptions {
  std::vector<std::string> packages;  // of install and remove; also options of pip
  bool system_site_packages = false;  // of a new environment: what the system's Python has can be imported too
  bool json = false;
  bool offline = false;
};

int tools_python_install_verb(const ToolsPythonOptions& options, const Environment& env);
int tools_python_list_verb(const ToolsPythonOptions& options, const Environment& env);
int tools_python_path_verb(const Environment& env);
int tools_python_remove_verb(const ToolsPythonOptions& options, const Environment& env);

}  // namespace toccata::cli
