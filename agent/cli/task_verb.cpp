#include "agent/cli/task_verb.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>

#include "agent/cli/exit_code.h"
#include "agent/cli/progress.h"
#include "agent/cli/signals.h"
#include "agent/cli/task_host.h"
#include "agent/cli/terminal_text.h"
#include "agent/cli/tool_file_setup.h"
#include "agent/cli/terminal_view.h"
#include "agent/loop/events_json.h"
#include "agent/task/batch.h"
#include "agent/task/explain.h"
#include "agent/task/html_report.h"
#include "agent/task/journal.h"
#include "agent/task/parse.h"
#include "agent/task/plan.h"
#include "agent/task/report.h"
#include "agent/task/runner.h"

namespace toccata::cli {
namespace {

using task::Value;

void print_line(const Value& json) {
  const std::string line = task::to_json_text(json);
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

// What the user named on the command line.
task::Settings named_settings(const TaskOptions& options) {
  task::Settings named;
  const AgentOptions& o = options.agent;
  const auto has = [&](const char* name) { return options.given.contains(name); };
  if (has("--model")) named.model = task::Template::parse(o.model).value_or_throw();
  if (has("--tools")) named.tools = o.tools;
  if (has("--tool-file")) named.tool_files = whole_paths(o.tool_files);
  if (has("--reasoning")) named.reasoning = o.reasoning;
  if (has("--temperature") && o.temperature) named.temperature = *o.temperature;
  if (has("--seed") && o.seed) named.seed = static_cast<std::int64_t>(*o.seed);
  if (has("--max-turns")) named.max_turns = o.max_turns;
  if (has("--budget-tokens")) named.budget_tokens = o.budget_tokens;
  if (has("--max-step-tokens")) named.max_step_tokens = o.max_step_tokens;
  if (has("--max-reasoning-tokens")) named.max_reasoning_tokens = o.max_reasoning_tokens;
  if (has("--subagents")) named.subagents = o.subagents;
  if (has("--timeout")) named.timeout_s = o.timeout_s;
  if (has("--max-sandbox-cpu")) named.max_sandbox_cpu_s = o.max_sandbox_cpu_s;
  return named;
}

task::Settings fallback_settings(const AgentOptions& o) {
  task::Settings settings;
  settings.model = task::Template::parse(o.model).value_or_throw();
  settings.tools = o.tools;
  if (!o.tool_files.empty()) settings.tool_files = whole_paths(o.tool_files);
  settings.reasoning = o.reasoning;
  return settings;
}

// The sound task with the command line's settings in every step. Problems go to stderr, all of them.
task::Task load(const TaskOptions& options) {
  task::ParsedTask parsed = task::load_task(options.file);
  if (!parsed.problems.empty()) throw Exception(ErrorCode::kInvalidArgument, task::text_of(parsed.problems));
  for (task::Step& step : parsed.task.steps) {
    task::Settings settings = named_settings(options);
    settings.fill_from(step.settings);
    step.settings = std::move(settings);
  }
  return std::move(parsed.task);
}

std::vector<task::GivenParam> given_params(const TaskOptions& options) {
  std::vector<task::GivenParam> given;
  for (const std::string& param : options.params) given.push_back(task::split_param(param).value_or_throw());
  return given;
}

// Without a dataset nothing may be read from its rows.
void refuse_rows(const task::Task& task) {
  const auto check = [&](const std::vector<task::Reference>& references, const task::Place& place) {
    for (const task::Reference& reference : references) {
      if (reference[0] != "row") continue;
      throw Exception(
          ErrorCode::kInvalidArgument, task::Problem{place, "found a use of 'row', expected --dataset FILE"}.text()
      );
    }
  };
  for (const task::Step& step : task.steps) check(task::references_of(step), step.place);
  for (const task::Assertion& assertion : task.assertions) check(task::references_of(assertion), assertion.place);
  if (task.output) check(task.output->references(), task.steps.front().place);
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) throw Exception(ErrorCode::kIo, "cannot write " + path.string());
}

void write_reports(const TaskOptions& options, const std::string& name, const task::BatchReport& report) {
  if (!options.junit.empty()) write_file(options.junit, task::junit_report(name, report));
  if (!options.html.empty()) write_file(options.html, task::html_report(name, report));
  if (!options.report.empty()) write_file(options.report, task::markdown_report(name, report));
}

void print_plan(const Value& plan, bool json) {
  if (json) {
    print_line(plan);
  } else {
    std::cout << for_terminal(task::explain_text(plan)) << std::flush;
  }
}

// The steps of one run as they go, on stderr; with --json everything as events on stdout.
class TaskView {
 public:
  TaskView(const AgentOptions& options, const Environment& env)
      : json_(options.json),
        quiet_(options.quiet),
        view_({.color = env.color && !options.no_color, .quiet = options.quiet, .stdout_is_terminal = env.stderr_is_terminal},
              stderr, stderr) {}

  void on_step(const task::StepReport& step) {
    const bool begins = step.status == task::StepReport::Status::kNotRun;
    if (json_) {
      Value event = begins ? Value{{"type", "step.started"}, {"step", step.id}} : Value{{"type", "step.completed"}};
      if (!begins) event.update(task::to_json(step));
      print_line(event);
    } else if (begins) {
      if (!quiet_) std::fprintf(stderr, "== %s\n", step.id.c_str());
    } else if (step.status == task::StepReport::Status::kSkipped) {
      if (!quiet_) std::fprintf(stderr, "skipped\n");
    } else if (step.status == task::StepReport::Status::kFailed) {
      for (const std::string& failure : step.failures) std::fprintf(stderr, "toccata: %s\n", for_terminal(failure).c_str());
    }
  }

  void on_event(const std::string& step, const agent::Event& event) {
    if (json_) {
      Value line = agent::to_json(event);
      line["step"] = step;
      print_line(line);
    } else if (!quiet_) {
      view_(event);
    }
  }

 private:
  bool json_, quiet_;
  TerminalView view_;
};

// The assertions of a step have been told one by one by then.
std::string why(const task::TaskReport& report) {
  for (const task::StepReport& step : report.steps) {
    if (step.exit_code != report.exit_code || step.failures.empty()) continue;
    return "step '" + step.id + "': " + std::to_string(step.failures.size()) + " assertion(s) failed, exit code " +
           std::to_string(report.exit_code);
  }
  return report.message;
}

// What of the command line changes the answers: part of the key of a row.
Value key_settings(const TaskOptions& options);

std::unique_ptr<task::JournalHost> open_journal(const std::filesystem::path& path, task::Host& host) {
  if (path.empty()) return nullptr;
  return task::JournalHost::open(path, host).value_or_throw();
}

// The step that failed is tried again by the next start; what was done before it stays done.
void forget_failed(const task::Task& task, const task::TaskReport& report, const std::string& key, task::JournalHost& journal) {
  for (const task::StepReport& step : report.steps) {
    if (step.status != task::StepReport::Status::kFailed || task.find(step.id)->allow_failure) continue;
    const bool item = task.find(step.id)->foreach && step.output.is_array() && !step.output.empty();
    journal.forget(key, item ? step.id + "[" + std::to_string(step.output.size() - 1) + "]" : step.id);
  }
}

int run_once(const TaskOptions& options, const task::Task& task, const Environment& env) {
  refuse_rows(task);
  const Value params = task::bind_params(task, given_params(options), nullptr).value_or_throw();
  if (options.dry_run) {
    print_plan(task::explain(task, params, nullptr, fallback_settings(options.agent)), options.agent.json);
    return kExitDone;
  }
  SignalStop signals;
  TaskView view(options.agent, env);
  TaskHost host(options.agent, env, [&](const std::string& step, const agent::Event& event) { view.on_event(step, event); },
                options.judge);
  host.set_artifacts(options.artifacts);
  std::vector<task::Row> rows = {{1, params, ""}};
  task::name_rows(task, key_settings(options), rows);
  const task::Row& row = rows[0];
  const auto journal = open_journal(options.state, host);
  const task::TaskReport report = task::run_task(
      task, {params, nullptr, "", row.key}, journal ? static_cast<task::Host&>(*journal) : host, signals.token(),
      [&](const task::StepReport& step) { view.on_step(step); }
  );
  if (journal) forget_failed(task, report, row.key, *journal);
  task::BatchReport as_batch;
  as_batch.rows = {task::result_of(row, report)};
  as_batch.n_rows = 1;
  (report.exit_code == 0 ? as_batch.n_passed : as_batch.rows[0].status == "failed" ? as_batch.n_failed : as_batch.n_errors) = 1;
  as_batch.tokens = report.tokens;
  as_batch.seconds = report.seconds;
  if (options.agent.json) {
    Value event = {{"type", "task.completed"}, {"task", task.name}};
    event.update(task::to_json(report));
    print_line(event);
  } else if (report.exit_code == 0) {
    std::string text = task::to_text(report.output);
    if (env.stdout_is_terminal) text = for_terminal(text);
    std::fprintf(stdout, "%s%s", text.c_str(), text.ends_with('\n') ? "" : "\n");
    std::fflush(stdout);
  }
  if (report.exit_code != 0) {
    std::fprintf(stderr, "toccata: task %s: %s\n", task.name.c_str(), for_terminal(why(report)).c_str());
  }
  write_reports(options, task.name, as_batch);
  return signals.exit_code() != 0 ? signals.exit_code() : report.exit_code;
}

Value key_settings(const TaskOptions& options) {
  Value json = Value::object();
  for (const auto& [name, value] : given_params(options)) json["param " + name] = value;
  const AgentOptions& o = options.agent;
  if (options.given.contains("--model")) json["model"] = o.model;
  if (options.given.contains("--instructions")) json["instructions"] = o.instructions;
  if (!options.judge.empty()) json["judge"] = options.judge;
  if (!o.output_schema.empty()) json["output_schema"] = o.output_schema;
  if (options.given.contains("--reasoning")) json["reasoning"] = o.reasoning;
  if (options.given.contains("--tools")) json["tools"] = o.tools;
  if (options.given.contains("--tool-file")) json["tool_files"] = o.tool_files;
  if (!o.scripted_tools.empty()) json["scripted_tools"] = o.scripted_tools.string();
  if (options.given.contains("--temperature") && o.temperature) json["temperature"] = *o.temperature;
  if (options.given.contains("--seed") && o.seed) json["seed"] = *o.seed;
  return json;
}

int run_dataset(const TaskOptions& options, const task::Task& task, const Environment& env) {
  std::vector<task::Row> rows = task::read_rows(options.dataset).value_or_throw();
  task::name_rows(task, key_settings(options), rows);
  if (!options.shard.empty()) task::keep_shard(task::parse_shard(options.shard).value_or_throw(), rows);
  const auto given = given_params(options);
  if (options.dry_run && !rows.empty()) {
    const Value params = task::bind_params(task, given, rows[0].value).value_or_throw();
    print_plan(task::explain(task, params, rows[0].value, fallback_settings(options.agent)), options.agent.json);
    return kExitDone;
  }
  auto results = options.results.empty() ? task::ResultsFile::none()
                                         : task::ResultsFile::open(options.results).value_or_throw();
  SignalStop signals;
  AgentOptions agent = options.agent;
  if (agent.approve == "on-request" || agent.approve == "trusted") agent.approve = "never";  // rows run side by side: nobody can be asked
  TaskHost host(agent, env, {}, options.judge);
  host.set_artifacts(options.artifacts);
  std::optional<Progress> progress(std::in_place, task.name, env.stderr_is_terminal && !options.agent.quiet);
  const bool lines = options.results.empty();  // then the results are the output
  // Of rows that take several runs those of a killed process are kept, next to the results, until the row has ended.
  const bool several = task.steps.size() > 1 || task.steps[0].foreach || task.steps[0].until;
  const auto journal = open_journal(lines || !several ? "" : options.results.string() + ".steps", host);
  const auto on_row = [&](const task::RowResult& row, std::size_t done, std::size_t total) {
    if (lines) print_line(task::to_json(row));
    if (journal) journal->forget(row.key);
    progress->update(done, total);
  };
  const task::BatchReport report = task::run_batch(
      task, rows, given, {options.jobs, options.retry_failed}, *results, journal ? static_cast<task::Host&>(*journal) : host,
      signals.token(), on_row
  );
  if (journal && report.n_missing == 0) journal->remove();
  progress.reset();  // the bar is taken away before anything else is said
  write_reports(options, task.name, report);
  if (options.agent.json && !lines) print_line(task::to_json(report));
  if (!options.agent.quiet) {
    std::fprintf(
        stderr, "toccata: task %s: %zu rows: %zu passed, %zu failed, %zu errors, %zu not reached; %zu done before; %.1f s\n",
        task.name.c_str(), report.n_rows, report.n_passed, report.n_failed, report.n_errors, report.n_missing,
        report.n_recorded, report.seconds
    );
  }
  return signals.exit_code() != 0 ? signals.exit_code() : report.exit_code;
}

}  // namespace

int task_run_verb(const TaskOptions& options, const Environment& env) {
  const task::Task task = load(options);
  if (!options.dataset.empty() && !options.state.empty()) {
    throw Exception(ErrorCode::kInvalidArgument, "found --state with --dataset, expected --results, which does the same for rows");
  }
  if (!options.dataset.empty()) return run_dataset(options, task, env);
  for (const auto& [option, is_given] : {std::pair("--results", !options.results.empty()), std::pair("--shard", !options.shard.empty())}) {
    if (!is_given) continue;
    throw Exception(ErrorCode::kInvalidArgument, std::string("found ") + option + " without --dataset, expected both");
  }
  return run_once(options, task, env);
}

int task_validate_verb(const TaskOptions& options, const Environment&) {
  const task::ParsedTask parsed = task::load_task(options.file);
  if (options.agent.json) {
    Value problems = Value::array();
    for (const task::Problem& problem : parsed.problems) {
      problems.push_back({{"file", problem.place.file},
                          {"line", problem.place.line},
                          {"column", problem.place.column},
                          {"message", problem.message}});
    }
    print_line({{"valid", parsed.problems.empty()}, {"problems", std::move(problems)}});
  } else if (!parsed.problems.empty()) {
    std::fprintf(stderr, "%s\n", task::text_of(parsed.problems).c_str());
  }
  return parsed.problems.empty() ? kExitDone : kExitUsage;
}

int task_explain_verb(const TaskOptions& options, const Environment&) {
  const task::Task task = load(options);
  const auto given = given_params(options);
  task::Task open = task;  // what is required and not given stays open in the prompts
  for (task::Param& param : open.params) param.required = false;
  Value params = task::bind_params(open, given, nullptr).value_or_throw();
  for (const task::Param& param : task.params) {
    if (param.required && params[param.name].is_null()) params.erase(param.name);
  }
  print_plan(task::explain(task, params, nullptr, fallback_settings(options.agent)), options.agent.json);
  return kExitDone;
}

}  // namespace toccata::cli
