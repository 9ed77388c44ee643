#include "agent/cli/serve_runs.h"

#include "agent/cli/session_setup.h"

namespace toccata::cli {

ServedRuns::ServedRuns(AgentOptions options, const Environment& env, ChosenModel model)
    : options_(std::move(options)), env_(env), model_(std::move(model)) {
  if (options_.approve != "always") options_.approve = "never";
  (void)set_up(options_, env_, model_);
}

agent::RunOutcome ServedRuns::run(const server::RunOrder& order, const agent::EventSink& sink, std::stop_token stop) {
  AgentOptions options = options_;
  if (!order.reasoning.empty()) options.reasoning = order.reasoning;
  AgentSetup setup = set_up(options, env_, model_);
  agent::Agent agent(*setup.model.model, setup.tools, *setup.ledger, setup.config, sink);
  if (order.run.empty()) return agent.run(order.input, stop);
  return agent.resume(order.run, order.input, stop);
}

}  // namespace toccata::cli
