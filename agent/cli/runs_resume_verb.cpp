// Runs that go on: resumed where they stopped, forked at a step, replayed.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_session.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/recorded_options.h"
#include "agent/cli/signals.h"
#include "agent/cli/verbs.h"
#include "agent/loop/replay.h"
#include "agent/loop/turn_rules.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

std::unique_ptr<store::Ledger> open_ledger(const AgentOptions& options, const Environment& env) {
  const auto path = options.ledger.empty() ? env.ledger_path() : options.ledger;
  return store::Ledger::open(path).value_or_throw();
}

int go_on(
    const store::RunRecord& run,
    const RunsResumeOptions& options,
    const std::string& id,
    const Environment& env
) {
  AgentOptions agent_options = options.agent;
  apply_recorded(run, options.given, agent_options);
  return with_agent(agent_options, env, [&](agent::Agent& agent, std::stop_token stop) {
    if (options.message) return agent.resume(id, *options.message, stop);
    return agent.resume(id, std::nullopt, stop);
  });
}

SamplingParams recorded_sampling(const store::RunRecord& run, AgentOptions& options) {
  apply_recorded(run, {}, options);
  SamplingParams params;
  params.temperature = options.temperature.value_or(1.0F);
  params.top_p = options.top_p.value_or(1.0F);
  params.top_k = options.top_k.value_or(0);
  params.min_p = options.min_p.value_or(0.0F);
  if (!options.seed) {
    throw Exception(
        ErrorCode::kNotFound, "run " + run.summary.id + " recorded no seed, so it cannot be replayed"
    );
  }
  params.seed = *options.seed;
  return params;
}

// The masks the run was sampled with; null: none.
std::shared_ptr<const harmony::ConstraintPlan> recorded_constraint(
    const store::RunRecord& run, const agent::TokenModel& model
) {
  const auto params = json_from<nlohmann::ordered_json>(run.params);
  const auto rules = params.is_object() ? params.find("turn_rules") : params.end();
  if (!params.is_object() || rules == params.end()) return nullptr;
  return agent::turn_constraint(model, agent::rules_from_json(*rules).value_or_throw()).value_or_throw();
}

std::string token_text(const agent::TokenModel& model, Token token) {
  const auto text = model.tokenizer()->decode_bytes(Tokens{token});
  return nlohmann::json(text ? *text : "?").dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void print_report(
    const agent::ReplayReport& report, const store::RunRecord& run, const agent::TokenModel& model, bool json
) {
  const bool same = !report.divergence;
  if (json) {
    nlohmann::ordered_json line = {
        {"run", run.summary.id}, {"identical", same}, {"compared", report.n_compared}, {"tokens", report.n_tokens}};
    if (!same) {
      line["divergence"] = {
          {"step", report.divergence->step},
          {"position", report.divergence->position},
          {"recorded", report.divergence->recorded},
          {"sampled", report.divergence->sampled}};
    }
    std::cout << json_text(line) << '\n';
  } else if (same) {
    std::cout << "run " << run.summary.id << ": all " << report.n_compared << " sampled tokens came again\n";
  } else {
    const agent::Divergence& d = *report.divergence;
    std::cout << "run " << run.summary.id << ": the first difference is token " << d.position << " of the log, in step "
              << d.step << ", the " << report.n_compared << "th sampled: recorded " << d.recorded << " "
              << token_text(model, d.recorded) << ", now " << d.sampled << " " << token_text(model, d.sampled) << '\n';
  }
}

// The run, then those it made, each from its own seed.
int replay_family(
    const store::Ledger& ledger, const store::RunRecord& run, agent::TokenModel& model, const SamplingParams& sampling, bool json,
    const SignalStop& signals
) {
  const auto constraint = recorded_constraint(run, model);
  const auto report = agent::replay_tokens(model, run, sampling, constraint, signals.token());
  if (signals.exit_code() != 0) return signals.exit_code();
  if (!report) throw ModelError(report.error());
  print_report(*report, run, model, json);
  int code = report->divergence ? kExitRunFailed : kExitDone;
  for (const store::RunSummary& summary : run.children) {
    const store::RunRecord child = ledger.load_run(summary.id).value_or_throw();
    AgentOptions options;
    const int below = replay_family(ledger, child, model, recorded_sampling(child, options), json, signals);
    if (signals.exit_code() != 0) return below;
    code = std::max(code, below);
  }
  return code;
}

}  // namespace

int runs_resume_verb(const RunsResumeOptions& options, const Environment& env) {
  const auto run = open_ledger(options.agent, env)->load_run(options.run).value_or_throw();
  if (run.summary.status == store::RunStatus::kDone && !options.message) {
    throw Exception(
        ErrorCode::kInvalidArgument,
        "run " + run.summary.id + " is done; say what to do next: toccata runs resume " + run.summary.id +
            " \"...\", or fork it at a step"
    );
  }
  return go_on(run, options, run.summary.id, env);
}

int runs_fork_verb(const RunsForkOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options.resume.agent, env);
  const auto run = ledger->load_run(options.resume.run).value_or_throw();
  const int last = run.steps.empty() ? 0 : run.steps.back().step;
  const std::string fork =
      ledger->fork_run(run.summary.id, options.step.value_or(last)).value_or_throw();
  if (options.no_run) {
    std::cout << fork << '\n';
    return kExitDone;
  }
  if (!options.resume.agent.quiet) std::fprintf(stderr, "toccata: fork %s\n", fork.c_str());
  return go_on(run, options.resume, fork, env);
}

int runs_replay_verb(const RunsReplayOptions& options, const Environment& env) {
  const auto ledger = open_ledger(options.agent, env);
  const auto run = ledger->load_run(options.run).value_or_throw();
  AgentOptions agent_options = options.agent;
  if (options.recorded_tools || options.recorded_pages) {
    apply_recorded(run, options.given, agent_options);
    if (agent_options.best_of > 1) {
      throw Exception(
          ErrorCode::kUnsupported, "run " + run.summary.id + " chose among candidates, each with calls of its own: replay those, such as " +
                                       (run.children.empty() ? "toccata runs show" : run.children.front().id)
      );
    }
    if (options.recorded_pages) agent_options.recorded_pages_of = run.summary.id;
    const auto use_recording = [&](AgentSetup& setup) {
      if (options.recorded_tools) setup.tools = agent::recorded_tools(setup.tools, run);
    };
    return with_agent(
        agent_options,
        env,
        [&](agent::Agent& agent, std::stop_token stop) { return agent.run(run.summary.task, stop); },
        use_recording
    );
  }
  SignalStop signals;
  const SamplingParams sampling = recorded_sampling(run, agent_options);
  if (options.given.contains("--model")) agent_options.model = options.agent.model;
  const ChosenModel chosen =
      choose_model(agent_options.model, {agent_options.device, agent_options.precision, agent_options.kv, agent_options.prefix_cache_mib, agent_options.prefix_folder}, agent_options.offline, env);
  return replay_family(*ledger, run, *chosen.model, sampling, agent_options.json, signals);
}

}  // namespace toccata::cli
