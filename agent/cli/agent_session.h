// An agent with everything it needs and somebody who watches: what `run`, `runs resume` and `runs fork` share.
#pragma once

#include <functional>

#include "agent/cli/session_setup.h"

namespace toccata::cli {

// Sets the agent up, lets `work` use it, and reports how it ended. The exit code of the program.
int with_agent(
    const AgentOptions& options,
    const Environment& env,
    const std::function<agent::RunOutcome(agent::Agent&, std::stop_token)>& work,
    const std::function<void(AgentSetup&)>& adjust = {}
);

}  // namespace toccata::cli
