#include "agent/cli/task_flags.h"

#include <CLI/CLI.hpp>

#include "agent/cli/agent_flags.h"

namespace toccata::cli {

void add_task(CLI::App& app, TaskOptions& o, Action& action, const Environment& env) {
  CLI::App* task = app.add_subcommand("task", "Task files: steps in an order that code keeps, checked by code");
  task->require_subcommand(1);
  CLI::App* run = task->add_subcommand("run", "Run a task file; its output goes to stdout");
  CLI::App* validate = task->add_subcommand("validate", "Is the file sound? Every problem with its line and column, exit 2");
  CLI::App* explain = task->add_subcommand("explain", "The plan: steps in their order, models, tools, prompts");
  for (CLI::App* verb : {run, validate, explain}) {
    verb->add_option("file", o.file, "Task file (YAML)")->required();
  }
  for (CLI::App* verb : {run, explain}) {
    verb->add_option("-p,--param", o.params, "A parameter: name=value; may be repeated")->allow_extra_args(false);
    add_agent_options(*verb, o.agent);
    add_mcp_option(*verb, o.agent);
  }
  validate->add_flag("--json", o.agent.json, "Machine-readable");
  run->add_flag("--dry-run", o.dry_run, "Check parameters and show the plan, run nothing");
  run->add_option("--dataset", o.dataset, "Run once for each row of this .jsonl or .csv file");
  run->add_option("--jobs", o.jobs, "Rows at once")->check(CLI::Range(1, 1024))->capture_default_str();
  run->add_option("--shard", o.shard, "Only part i of n of the rows, i from 0: --shard 0/8; for as many processes");
  run->add_option("--results", o.results, "Append a JSON line a row to this file, and go on where it stops");
  run->add_flag("--retry-failed", o.retry_failed, "Run rows again that are recorded and did not pass");
  run->add_option("--judge", o.judge, "Model of the judge assertions (default: as the file says, else the step's own)");
  run->add_option("--junit", o.junit, "Write a JUnit XML report to this file");
  run->add_option("--report", o.report, "Write a Markdown report to this file");
  run->add_option("--html", o.html, "Write a report with plots to this file");
  run->add_option("--artifacts", o.artifacts, "Folder for the artifacts of steps")->capture_default_str();
  run->add_option("--state", o.state, "Keep the runs of steps in this file: killed and started again, the task goes on with the step it was in");
  run->footer(R"(Examples:
  toccata task run report.yaml -p topic=tides
  toccata task run sums.yaml --dataset rows.csv --jobs 4 --results results.jsonl --junit junit.xml
Exit codes: those of run, and 3 assertion failed, 8 answer breaks its output_schema. With --dataset: the code of the rows
that did not pass where they agree, else 1.)");
  run->callback([&o, &action, &env, run] {
    o.given = given(*run);
    action = [&] { return task_run_verb(o, env); };
  });
  validate->callback([&o, &action, &env] { action = [&] { return task_validate_verb(o, env); }; });
  explain->callback([&o, &action, &env, explain] {
    o.given = given(*explain);
    action = [&] { return task_explain_verb(o, env); };
  });
}

}  // namespace toccata::cli
