// Agents that run inside `toccata serve`: one model, and tools of their own for each run.
#pragma once

#include "agent/cli/environment.h"
#include "agent/cli/model_choice.h"
#include "agent/cli/options.h"
#include "agent/server/run_host.h"

namespace toccata::cli {

class ServedRuns final : public server::RunHost {
 public:
  // Nobody is asked: a tool that needs approval is refused unless the options approve all. Throws where no run could
  // ever begin, such as a sandbox below options.sandbox.
  ServedRuns(AgentOptions options, const Environment& env, ChosenModel model);

  std::vector<std::string> tools() const override { return options_.tools; }
  agent::RunOutcome run(const server::RunOrder& order, const agent::EventSink& sink, std::stop_token stop) override;

 private:
  AgentOptions options_;
  const Environment& env_;
  const ChosenModel model_;
};

}  // namespace toccata::cli
