#include "agent/cli/session_setup.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "agent/cli/token_prefix.h"
#include "sandbox/sandbox.h"
#include "tools/browser/browser_tool.h"
#include "tools/patch/patch_tool.h"
#include "tools/python/python_tool.h"

namespace toccata::cli {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

harmony::ReasoningEffort reasoning(const std::string& name) {
  if (name == "low") return harmony::ReasoningEffort::kLow;
  if (name == "medium") return harmony::ReasoningEffort::kMedium;
  if (name == "high") return harmony::ReasoningEffort::kHigh;
  throw Exception(
      ErrorCode::kInvalidArgument, "reasoning is '" + name + "', expected low, medium or high"
  );
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

SamplingParams sampling(const AgentOptions& options, SamplingParams params) {
  params.temperature = options.temperature.value_or(params.temperature);
  params.top_p = options.top_p.value_or(params.top_p);
  params.top_k = options.top_k.value_or(params.top_k);
  params.min_p = options.min_p.value_or(params.min_p);
  params.seed = options.seed.value_or(random_seed());
  return params;
}

// y/n on the terminal; without one nobody can be asked.
agent::ApprovalPolicy approval(const std::string& mode, const Environment& env) {
  using Mode = agent::ApprovalPolicy::Mode;
  if (mode == "always") return {Mode::kAlways, {}};
  if (mode == "never" || !env.stdin_is_terminal) return {Mode::kNever, {}};
  const auto ask = [](const agent::ApprovalRequest& request) {
    std::cerr << "allow " << request.recipient << " " << request.arguments << "? [y/N/q] ";
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "q" || !std::cin) return agent::Decision::kStop;
    return answer == "y" || answer == "Y" ? agent::Decision::kApprove : agent::Decision::kRefuse;
  };
  return {Mode::kOnRequest, ask};
}

std::string params_json(const AgentOptions& options, const SamplingParams& params) {
  const nlohmann::ordered_json json = {
      {"model_spec", options.model},        {"sandbox", options.sandbox},
      {"max_step_tokens", options.max_step_tokens},
      {"reasoning", options.reasoning},     {"tools", options.tools},
      {"temperature", params.temperature},  {"top_p", params.top_p},
      {"top_k", params.top_k},              {"min_p", params.min_p},
      {"seed", params.seed},                {"max_turns", options.max_turns},
      {"budget_tokens", options.budget_tokens}, {"timeout_s", options.timeout_s}};
  return json.dump();
}

void add_python(const AgentOptions& options, AgentSetup& setup) {
  sandbox::Policy policy;
  const auto minimum = sandbox::parse_level(options.sandbox);
  if (!minimum) {
    throw Exception(ErrorCode::kInvalidArgument, "unknown sandbox level '" + options.sandbox + "'");
  }
  policy.minimum = *minimum;
  setup.sandbox = std::make_unique<sandbox::Sandbox>(sandbox::Sandbox::create(policy).value_or_throw());
  const sandbox::Level level = setup.sandbox->level();
  setup.config.sandbox_level = sandbox::to_string(level);
  if (level >= sandbox::Level::kSeccomp) {
    std::cerr << "toccata: WARNING: the sandbox level is '" << setup.config.sandbox_level
              << "': what the model writes can read your files\n";
  }
  setup.tools.add(
      std::make_unique<tools::PythonTool>(*setup.sandbox, milliseconds(options.tool_timeout_s))
  );
}

void add_browser(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  const auto path = options.index.empty() ? env.index_path() : options.index;
  setup.tools.add(tools::open_local_browser(path, o200k_prefix()).value_or_throw());
}

void add_tools(const AgentOptions& options, const Environment& env, AgentSetup& setup) {
  for (const std::string& name : options.tools) {
    if (name == "none") continue;
    if (name == "python") {
      add_python(options, setup);
    } else if (name == "browser") {
      add_browser(options, env, setup);
    } else if (name == "patch") {
      setup.tools.add(std::make_unique<tools::PatchTool>(
          tools::WorkFolder::open(options.workspace).value_or_throw()
      ));
    } else {
      throw Exception(
          ErrorCode::kInvalidArgument, "unknown tool '" + name + "'; known: python, browser, patch, none"
      );
    }
  }
}

agent::Limits limits(const AgentOptions& options) {
  agent::Limits limits;
  limits.max_turns = options.max_turns;
  limits.budget_tokens = options.budget_tokens;
  if (options.max_step_tokens > 0) limits.step_tokens_max = options.max_step_tokens;
  limits.timeout = milliseconds(options.timeout_s);
  return limits;
}

}  // namespace

AgentSetup set_up(const AgentOptions& options, const Environment& env) {
  AgentSetup setup;
  setup.config.reasoning = reasoning(options.reasoning);
  setup.model = choose_model(options.model, options.device, options.offline, env);
  add_tools(options, env, setup);
  const auto ledger = options.ledger.empty() ? env.ledger_path() : options.ledger;
  setup.ledger = store::Ledger::open(ledger).value_or_throw();
  setup.config.limits = limits(options);
  setup.config.sampling = sampling(options, setup.model.sampling);
  if (!options.instructions.empty()) setup.config.instructions = options.instructions;
  setup.config.current_date = today();
  setup.config.approval = approval(options.approve, env);
  setup.config.params = params_json(options, setup.config.sampling);
  return setup;
}

void report(const agent::RunOutcome& outcome) {
  if (outcome.exit_code == 0) return;
  std::fprintf(
      stderr, "toccata: run %s ended without an answer: %s (%s)\n", outcome.run_id.c_str(),
      outcome.message.c_str(), outcome.terminal_reason.c_str()
  );
}

}  // namespace toccata::cli
