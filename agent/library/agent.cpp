#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_options_json.h"
#include "agent/cli/session_files.h"
#include "agent/cli/session_setup.h"
#include "agent/cli/version.h"
#include "agent/library/toccata/agent.h"
#include "agent/loop/agent.h"
#include "agent/loop/events_json.h"
#include "core/base/json.h"

namespace toccata {
namespace {

// One function, so that each keeps its own effect.
class FunctionTool final : public tools::Tool {
 public:
  explicit FunctionTool(Function function) : function_(std::move(function)) {
    spec_.name_space = "functions";
    spec_.functions.push_back({function_.name, function_.description, function_.parameters});
    spec_.effect = function_.pure ? tools::Effect::kPure : tools::Effect::kEffectful;
    spec_.concurrent = function_.concurrent;
  }
  const tools::ToolSpec& spec() const override { return spec_; }
  tools::ToolResult call(const tools::ToolCall& call, std::stop_token) override {
    try {
      return {tools::ToolStatus::kOk, call.recipient, function_.call(call.arguments), "{}"};
    } catch (const std::exception& error) {
      return {tools::ToolStatus::kFailed, call.recipient, error.what(), "{}"};
    }
  }

 private:
  Function function_;
  tools::ToolSpec spec_;
};

cli::AgentOptions merged(const Options& options) {
  nlohmann::ordered_json more = json_from<nlohmann::ordered_json>(options.more);
  if (!more.is_object()) {
    throw Exception(ErrorCode::kInvalidArgument, "Options::more is '" + options.more.substr(0, 80) + "', expected one JSON object");
  }
  nlohmann::ordered_json all = {
      {"model", options.model},
      {"tools", options.tools},
      {"tool_file", options.tool_files},
      {"instructions", options.instructions},
      {"reasoning", options.reasoning},
      {"output_schema", options.output_schema},
      {"max_turns", options.max_turns},
      {"budget_tokens", options.budget_tokens},
      {"timeout", options.timeout_s},
      {"sandbox", options.sandbox},
      {"python", options.python.string()},
      {"mount", options.mounts},
      {"sandbox_net", options.sandbox_net},
      {"workspace", options.workspace.string()},
      {"ledger", options.ledger.string()},
      {"offline", options.offline},
  };
  if (options.temperature) all["temperature"] = *options.temperature;
  if (options.seed) all["seed"] = *options.seed;
  all.update(more);
  return cli::agent_options_from_json(json_text(all));
}

Outcome outcome_of(agent::RunOutcome outcome) {
  return {
      std::move(outcome.final), outcome.exit_code, std::move(outcome.terminal_reason), std::move(outcome.message),
      std::move(outcome.run_id), outcome.usage};
}

}  // namespace

class Agent::Impl {
 public:
  Impl(Options options, agent::EventSink on_event) {
    std::vector<std::unique_ptr<tools::Tool>> functions;
    for (Function& function : options.functions) {
      if (!function.call) {
        throw Exception(ErrorCode::kInvalidArgument, "the function '" + function.name + "' has nothing to call");
      }
      functions.push_back(std::make_unique<FunctionTool>(std::move(function)));
    }
    cli::Environment env = cli::read_environment();
    env.stdin_is_terminal = false;  // nobody is asked on a terminal that is not ours
    const cli::AgentOptions all = merged(options);
    save_files_ = all.save_files;
    setup_ = cli::set_up(all, env, std::move(functions));
    agent_.emplace(*setup_.model.model, setup_.tools, *setup_.ledger, setup_.config, std::move(on_event));
  }

  template <class Work>
  Outcome guarded(const Work& work) {
    std::stop_token token;
    {
      const std::lock_guard lock(mutex_);
      stop_ = std::stop_source();
      token = stop_.get_token();
    }
    agent::RunOutcome outcome = work(*agent_, token);
    if (!save_files_.empty() && !outcome.run_id.empty()) cli::save_session_files(*setup_.ledger, outcome.run_id, save_files_);
    return outcome_of(std::move(outcome));
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }
  agent::Agent& agent() { return *agent_; }
  const std::string& sandbox_level() const { return setup_.config.sandbox_level; }

 private:
  cli::AgentSetup setup_;
  std::filesystem::path save_files_;
  std::optional<agent::Agent> agent_;
  std::mutex mutex_;
  std::stop_source stop_;
};

Agent::Agent(Options options, std::function<void(const agent::Event&)> on_event)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(on_event))) {}
Agent::~Agent() = default;
Agent::Agent(Agent&&) noexcept = default;
Agent& Agent::operator=(Agent&&) noexcept = default;

Outcome Agent::run(std::string_view message) {
  return impl_->guarded([&](agent::Agent& agent, std::stop_token stop) { return agent.run(message, stop); });
}
Outcome Agent::resume(std::string_view run_id, std::optional<std::string_view> message) {
  return impl_->guarded([&](agent::Agent& agent, std::stop_token stop) { return agent.resume(run_id, message, stop); });
}
void Agent::stop() { impl_->stop(); }
void Agent::steer(std::string_view text) { impl_->agent().steer(text); }
std::string Agent::run_id() const { return impl_->agent().run_id(); }
std::string Agent::sandbox_level() const { return impl_->sandbox_level(); }

std::string to_json_line(const agent::Event& event) {
  return json_text(agent::to_json(event));
}

std::string_view version() { return cli::kVersion; }

}  // namespace toccata
