#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "agent/cli/session_setup.h"
#include "agent/cli/signals.h"
#include "agent/cli/terminal_view.h"
#include "agent/cli/verbs.h"
#include "agent/loop/events_json.h"

namespace toccata::cli {
namespace {

std::string task_text(const std::string& argument) {
  if (argument != "-") return argument;
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

void print_json_line(const agent::Event& event) {
  const std::string line =
      agent::to_json(event).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace

int run_verb(const RunOptions& options, const Environment& env) {
  const std::string task = task_text(options.task);
  if (task.empty()) {
    throw Exception(ErrorCode::kInvalidArgument, "the task is empty: toccata run \"what to do\"");
  }
  SignalStop signals;
  AgentSetup setup = set_up(options.agent, env);
  TerminalView view({
      .color = env.color && !options.agent.no_color,
      .quiet = options.agent.quiet,
      .stdout_is_terminal = env.stdout_is_terminal,
  });
  const agent::EventSink sink = options.agent.json ? agent::EventSink(print_json_line)
                                                   : agent::EventSink(std::ref(view));
  agent::Agent agent(*setup.model.model, setup.tools, *setup.ledger, setup.config, sink);
  const agent::RunOutcome outcome = agent.run(task, signals.token());
  report(outcome);
  return signals.exit_code() != 0 ? signals.exit_code() : outcome.exit_code;
}

}  // namespace toccata::cli
