#include "agent/cli/eval_verb.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>

#include "agent/cli/exit_code.h"
#include "agent/cli/progress.h"
#include "agent/cli/signals.h"
#include "agent/cli/task_host.h"
#include "agent/eval/preset.h"
#include "agent/eval/summary.h"
#include "agent/task/batch.h"
#include "agent/task/html_report.h"
#include "agent/task/report.h"

namespace toccata::cli {
namespace {

using task::Value;

constexpr std::int64_t kSeed = 1;  // unless one is named: an eval can be had again

// What changes the answers or their grades: part of the key of a row, told in the summary.
Value settings_of(const EvalOptions& options) {
  const AgentOptions& o = options.agent;
  Value json = {{"model", o.model}, {"reasoning", o.reasoning}, {"tools", o.tools}, {"seed", o.seed.value_or(kSeed)}};
  if (o.temperature) json["temperature"] = *o.temperature;
  if (o.top_p) json["top_p"] = *o.top_p;
  if (o.precision != "auto") json["precision"] = o.precision;
  if (o.kv != "auto") json["kv"] = o.kv;
  if (!o.instructions.empty()) json["instructions"] = o.instructions;
  if (!options.judge.empty()) json["judge"] = options.judge;
  if (o.max_turns != AgentOptions{}.max_turns) json["max_turns"] = o.max_turns;
  if (o.budget_tokens > 0) json["budget_tokens"] = o.budget_tokens;
  if (o.max_step_tokens > 0) json["max_step_tokens"] = o.max_step_tokens;
  if (o.max_reasoning_tokens > 0) json["max_reasoning_tokens"] = o.max_reasoning_tokens;
  if (o.timeout_s > 0) json["timeout"] = o.timeout_s;
  if (o.max_sandbox_cpu_s > 0) json["max_sandbox_cpu"] = o.max_sandbox_cpu_s;
  return json;
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) throw Exception(ErrorCode::kIo, "cannot write " + path.string());
}

task::HtmlExtras extras_of(const eval::Summary& summary, const Value& settings) {
  task::HtmlExtras extras;
  extras.bars.push_back({"accuracy", summary.accuracy, summary.interval.low, summary.interval.high});
  for (const auto& [k, share] : summary.pass_at_k) {
    if (k > 1) extras.bars.push_back({"pass@" + std::to_string(k), share, share, share});
  }
  for (const auto& [verdict, n] : summary.verdicts) {
    const auto [low, high] = task::wilson(n, summary.n_answers);
    extras.bars.push_back({verdict, static_cast<double>(n) / static_cast<double>(summary.n_answers), low, high});
  }
  for (const auto& [name, share] : summary.metrics) extras.bars.push_back({name, share, share, share});
  for (const auto& [name, value] : settings.items()) extras.figures.emplace_back(name, task::to_text(value));
  return extras;
}

// The settings of the command line, in the task's one step.
task::Task task_of(const EvalOptions& options, const eval::PresetInfo& preset) {
  task::Task task = eval::make_task(preset);
  task.steps[0].settings.seed = static_cast<std::int64_t>(options.agent.seed.value_or(kSeed));
  return task;
}

AgentOptions agent_of(const EvalOptions& options) {
  AgentOptions agent = options.agent;
  if (!options.given.contains("--tools")) agent.tools = {"none"};
  agent.no_project_notes = true;                             // of whatever folder this is
  if (agent.approve == "on-request" || agent.approve == "trusted") agent.approve = "never";  // nobody can be asked
  return agent;
}

}  // namespace

std::string eval_presets_help() {
  std::string text = "Presets, and the fields of a row (\"id\" and names with _ are yours):\n";
  for (const eval::PresetInfo& info : eval::presets()) {
    text += "  " + std::string(info.name) + std::string(11 - std::string_view(info.name).size(), ' ') + info.summary + "\n             " + info.fields + "\n";
  }
  return text;
}

int eval_verb(const EvalOptions& given, const Environment& env) {
  EvalOptions options = given;
  options.agent = agent_of(given);
  const eval::PresetInfo preset = eval::find_preset(options.preset).value_or_throw();
  const std::vector<task::Row> data = task::read_rows(options.data).value_or_throw();
  const Value settings = settings_of(options);
  const auto seed = static_cast<std::int64_t>(options.agent.seed.value_or(kSeed));
  std::vector<task::Row> rows =
      eval::make_items(preset, data, options.data.string(), options.samples, options.limit, seed).value_or_throw();
  const task::Task task = task_of(options, preset);
  task::name_rows(task, settings, rows);
  if (!options.shard.empty()) {
    task::keep_shard(task::parse_shard(options.shard).value_or_throw(), rows);
    if (rows.empty()) throw Exception(ErrorCode::kInvalidArgument, "found no answers in shard " + options.shard + ", expected fewer shards than answers");
  }

  auto results = task::ResultsFile::none();
  if (!options.out.empty()) {
    std::error_code failure;
    std::filesystem::create_directories(options.out, failure);
    results = task::ResultsFile::open(options.out / "results.jsonl").value_or_throw();
  }
  SignalStop signals;
  TaskHost host(options.agent, env, {}, options.judge);
  std::optional<Progress> progress(std::in_place, task.name, env.stderr_is_terminal && !options.agent.quiet);
  const task::BatchReport report = task::run_batch(
      task, rows, {}, {options.jobs, false}, *results, host, signals.token(),
      [&](const task::RowResult&, std::size_t done, std::size_t total) { progress->update(done, total); }
  );
  progress.reset();

  const eval::Summary summary = eval::summarize(preset, report);
  Value json = eval::to_json(summary);
  json["data"] = options.data.filename().string();
  json["settings"] = settings;
  if (!options.out.empty()) {
    write_file(options.out / "summary.json", task::to_json_text(json) + "\n");
    write_file(options.out / "junit.xml", task::junit_report(task.name, report));
    write_file(options.out / "report.html", task::html_report(task.name, report, extras_of(summary, settings)));
    write_file(options.out / "report.md", task::markdown_report(task.name, report));
  }
  std::cout << (options.agent.json ? task::to_json_text(json) + "\n" : eval::summary_text(summary)) << std::flush;
  if (report.n_recorded > 0 && !options.agent.quiet) std::fprintf(stderr, "toccata: %zu answers were there before\n", report.n_recorded);

  if (signals.exit_code() != 0) return signals.exit_code();
  if (summary.n_missing > 0) return 130;
  for (const task::RowResult& row : report.rows) {
    if (!task::says_nothing(row)) continue;
    std::fprintf(stderr, "toccata: row %zu: %s\n", row.row, row.message.c_str());
    return row.exit_code;
  }
  if (100 * summary.accuracy < options.fail_under) {
    std::fprintf(stderr, "toccata: found an accuracy of %.1f%%, expected at least %.1f%%\n", 100 * summary.accuracy, options.fail_under);
    return task::kExitAssertion;
  }
  return kExitDone;
}

}  // namespace toccata::cli
