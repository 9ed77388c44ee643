// Wires the pieces of one agent from its options: model, tools, ledger, limits. What `run` and `chat` share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/model_choice.h"
#include "agent/cli/options.h"
#include "agent/loop/agent.h"
#include "agent/store/ledger.h"
#include "sandbox/session_slot.h"
#include "tools/registry.h"

namespace toccata::cli {

// Everything an Agent borrows, in the order in which it must be destroyed last.
struct AgentSetup {
  ChosenModel model;
  std::unique_ptr<store::Ledger> ledger;
  std::unique_ptr<sandbox::Sandbox> sandbox;  // null without python and shell
  std::shared_ptr<sandbox::SessionSlot> slot;  // the session they share
  tools::Registry tools;
  agent::AgentConfig config;
};

// Throws Exception naming the option at fault. A sandbox below options.sandbox is refused here, before any token.
// `more`: tools of the caller, besides those the options name.
AgentSetup set_up(
    const AgentOptions& options, const Environment& env, std::vector<std::unique_ptr<tools::Tool>> more = {}
);
// The same with a model that is there already: many agents may share one.
AgentSetup set_up(
    const AgentOptions& options, const Environment& env, ChosenModel model,
    std::vector<std::unique_ptr<tools::Tool>> more = {}
);

// Only the tools that the options name, but those of MCP servers: neither model nor ledger, and so no recall. python and
// shell work in a session of `sandbox`, which may be null without them. Limits, approval and files are set.
AgentSetup set_up_tools(const AgentOptions& options, const Environment& env, sandbox::Sandbox* sandbox);

// Prints why a run that did not end well ended; nothing when it did.
void report(const agent::RunOutcome& outcome);

}  // namespace toccata::cli
