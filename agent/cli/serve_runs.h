// Agents that run inside `toccata serve`: one model, and tools of their own for each run.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "agent/cli/environment.h"
#include "agent/cli/model_choice.h"
#include "agent/cli/options.h"
#include "agent/cli/run_trace.h"
#include "agent/server/run_host.h"

namespace toccata::cli {

class ServedRuns final : public server::RunHost {
 public:
  // Nobody is asked: a tool that needs approval is refused unless the options approve all. Throws where no run could
  // ever begin, such as a sandbox below options.sandbox.
  ServedRuns(AgentOptions options, const Environment& env, ChosenModel model);
  ~ServedRuns() override;

  std::vector<std::string> tools() const override { return options_.tools; }
  // Goes on where it can with the agent that did the turn before, whose interpreter still knows its variables; else the
  // run is resumed from the ledger. The effort of a run is that of its first turn.
  agent::RunOutcome run(const server::RunOrder& order, const agent::EventSink& sink, std::stop_token stop) override;
  bool steer(const std::string& id, const std::string& input) override;

 private:
  struct Kept;  // an agent between two turns, and all it borrows
  std::unique_ptr<Kept> make(const server::RunOrder& order);
  std::unique_ptr<Kept> take(const std::string& run);
  void keep(std::unique_ptr<Kept> kept);
  class Working;  // an agent in a turn, for as long as it stands

  AgentOptions options_;
  const Environment& env_;
  const ChosenModel model_;
  RunTrace trace_;
  std::mutex mutex_;
  std::list<std::unique_ptr<Kept>> idle_;  // latest first
  std::map<std::string, agent::Agent*> working_;  // by run
};

}  // namespace toccata::cli
