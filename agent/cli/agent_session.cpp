#include "agent/cli/agent_session.h"

#include <cstdio>
#include <string>

#include "agent/cli/run_trace.h"
#include "agent/cli/session_files.h"
#include "agent/cli/signals.h"
#include "agent/cli/terminal_view.h"
#include "agent/loop/events_json.h"
#include "core/base/json.h"

namespace toccata::cli {
namespace {

void print_json_line(const agent::Event& event) {
  const std::string line = agent::json_line(event);
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace

int with_agent(
    const AgentOptions& options,
    const Environment& env,
    const std::function<agent::RunOutcome(agent::Agent&, std::stop_token)>& work,
    const std::function<void(AgentSetup&)>& adjust
) {
  SignalStop signals;
  RunTrace trace(options, env);  // bad addresses are told before a model is loaded
  AgentSetup setup = set_up(options, env);
  if (adjust) adjust(setup);
  TerminalView view({
      .color = env.color && !options.no_color,
      .quiet = options.quiet,
      .stdout_is_terminal = env.stdout_is_terminal,
  });
  const agent::EventSink sink = trace.watch(
      setup.model.model->name(), setup.config, options.json ? agent::EventSink(print_json_line) : agent::EventSink(std::ref(view))
  );
  agent::Agent agent(*setup.model.model, setup.tools, *setup.ledger, setup.config, sink);
  const agent::RunOutcome outcome = with_answers_used(work(agent, signals.token()), setup);
  report(outcome);
  deliver_session_files(options, *setup.ledger, outcome.run_id);
  return signals.exit_code() != 0 ? signals.exit_code() : outcome.exit_code;
}

}  // namespace toccata::cli
