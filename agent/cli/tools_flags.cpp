#include "agent/cli/tools_flags.h"

#include <CLI/CLI.hpp>

namespace toccata::cli {

namespace {

void add_check(CLI::App& tools, ToolsCheckOptions& o, Action& action, const Environment& env) {
  CLI::App* check = tools.add_subcommand("check", "Are files of tools sound? Every problem with its line and column, exit 2; else what the model is told and what a call does");
  check->add_option("file", o.files, "Files that declare tools, as for --tool-file")->required();
  check->add_flag("--json", o.json, "Machine-readable");
  check->footer(R"(Examples:
  toccata tools check tools.yaml                    nothing is called, no secret is shown
  toccata run --tool-file tools.yaml "..."          the same file in use
More: docs/tools.md)");
  check->callback([&o, &action, &env] { action = [&] { return tools_check_verb(o, env); }; });
}

void add_python(CLI::App& tools, ToolsPythonOptions& o, Action& action, const Environment& env) {
  CLI::App* python = tools.add_subcommand("python", "The modules that sandbox sessions find: a virtual environment of your own for them");
  python->require_subcommand(1);
  CLI::App* install = python->add_subcommand("install", "Install packages with pip; the first time makes the environment");
  install->add_option("package", o.packages, "Names, files or addresses as pip takes them; behind --, options of pip too")->required();
  install->add_flag("--system-site-packages", o.system_site_packages, "A new environment: what the system's Python has can be imported too");
  CLI::App* list = python->add_subcommand("list", "What is installed");
  list->add_flag("--json", o.json, "Machine-readable");
  CLI::App* path = python->add_subcommand("path", "Its interpreter");
  CLI::App* remove = python->add_subcommand("remove", "Remove packages; without any, the whole environment");
  remove->add_option("package", o.packages, "Names");
  python->footer(R"(Examples:
  toccata tools python install numpy pandas sympy matplotlib
  toccata tools python install -- -r requirements.txt
  toccata tools python install -- --no-index --find-links ./wheels mymodule
  toccata tools python remove                       sessions have the system's Python again

Once it is there, every session runs in it, unless --python names another interpreter. pip reads its own configuration:
index, proxy and cache are those of the user. Python's own imports of numpy, pandas, sympy and matplotlib are done once,
before a session is asked for; further modules are imported by the code that needs them.
Exit codes: 0 done, 1 pip failed, 2 no environment yet, 4 disk full, 6 python3-venv or the package index is missing.)");
  install->callback([&o, &action, &env] { action = [&] { return tools_python_install_verb(o, env); }; });
  list->callback([&o, &action, &env] { action = [&] { return tools_python_list_verb(o, env); }; });
  path->callback([&action, &env] { action = [&] { return tools_python_path_verb(env); }; });
  remove->callback([&o, &action, &env] { action = [&] { return tools_python_remove_verb(o, env); }; });
}

}  // namespace

void add_tools(CLI::App& app, ToolsOptions& o, Action& action, const Environment& env) {
  CLI::App* tools = app.add_subcommand("tools", "What the model's tools work with");
  tools->require_subcommand(1);
  add_check(*tools, o.check, action, env);
  add_python(*tools, o.python, action, env);
}

}  // namespace toccata::cli
