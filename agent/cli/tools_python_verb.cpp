#include "agent/cli/tools_python_verb.h"

#include <iostream>

#include "agent/cli/exit_code.h"
#include "agent/cli/python_environment.h"
#include "sandbox/policy.h"

namespace toccata::cli {
namespace {

// "matplotlib.pyplot" -> "matplotlib"
std::vector<std::string> usual_packages() {
  std::vector<std::string> names;
  for (const std::string& module : sandbox::Warmth{}.imports) names.push_back(module.substr(0, module.find('.')));
  return names;
}

void say_what_changed(const PythonEnvironment& python) {
  std::cerr << "toccata: sessions of the sandbox use " << python.interpreter().string() << " from now on\n";
  const std::vector<std::string> lost = python.lost_from_base(usual_packages());
  if (lost.empty()) return;
  std::cerr << "toccata: the system's own packages are not in it; to have them again: toccata tools python install";
  for (const std::string& name : lost) std::cerr << " " << name;
  std::cerr << "\n";
}

}  // namespace

int tools_python_install_verb(const ToolsPythonOptions& options, const Environment& env) {
  const PythonEnvironment python(env);
  const PythonEnvironmentLock lock = PythonEnvironmentLock::take(python).value_or_throw();
  const bool anew = !python.exists();
  if (anew) {
    std::cerr << "toccata: making a Python environment in " << python.folder().string() << "\n";
    python.make(options.system_site_packages).value_or_throw();
  } else {
    python.check().value_or_throw();
    if (options.system_site_packages) {
      throw Exception(
          ErrorCode::kInvalidArgument, "--system-site-packages is for a new environment, and there is one in " + python.folder().string() +
                                           " already: `toccata tools python remove` first"
      );
    }
  }
  std::vector<std::string> arguments = {"install"};
  arguments.insert(arguments.end(), options.packages.begin(), options.packages.end());
  if (const Result<void> installed = python.pip(arguments, options.offline); !installed) {
    // An empty environment would take the place of the system's packages.
    if (anew) python.remove().value_or_throw();
    throw Exception(installed.error());
  }
  if (anew) say_what_changed(python);
  return kExitDone;
}

int tools_python_list_verb(const ToolsPythonOptions& options, const Environment& env) {
  const PythonEnvironment python(env);
  python.check().value_or_throw();
  std::vector<std::string> arguments = {"list"};
  if (options.json) arguments.push_back("--format=json");
  python.pip(arguments, options.offline).value_or_throw();
  return kExitDone;
}

int tools_python_path_verb(const Environment& env) {
  const PythonEnvironment python(env);
  python.check().value_or_throw();
  std::cout << python.interpreter().string() << "\n";
  return kExitDone;
}

int tools_python_remove_verb(const ToolsPythonOptions& options, const Environment& env) {
  const PythonEnvironment python(env);
  const PythonEnvironmentLock lock = PythonEnvironmentLock::take(python).value_or_throw();
  if (options.packages.empty()) {
    if (!python.exists()) {
      std::cerr << "toccata: there is no Python environment in " << python.folder().string() << "\n";
      return kExitDone;
    }
    python.remove().value_or_throw();
    return kExitDone;
  }
  python.check().value_or_throw();
  std::vector<std::string> arguments = {"uninstall", "--yes"};
  arguments.insert(arguments.end(), options.packages.begin(), options.packages.end());
  python.pip(arguments, options.offline).value_or_throw();
  return kExitDone;
}

}  // namespace toccata::cli
