// Wires the pieces of one agent from its options: model, tools, ledger, limits. What `run` and `chat` share.
#pragma once

#include <functional>
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
#include "tools/secrets/secrets.h"

namespace toccata::cli {

// Everything an Agent borrows, in the order in which it must be destroyed last.
struct AgentSetup {
  ChosenModel model;
  std::unique_ptr<store::Ledger> ledger;
  std::unique_ptr<sandbox::Sandbox> sandbox;  // null without python and shell
  std::shared_ptr<sandbox::SessionSlot> slot;  // the session they share
  std::shared_ptr<tools::Secrets> secrets;     // that tool files and configurations name
  tools::Registry tools;
  agent::AgentConfig config;
  std::function<std::vector<std::string>()> unused_answers;  // of --scripted-tools: toolfile::ScriptedTools; null without
};

// The outcome, or exit code 3 for a run that went well and left answers of its scripted tools unused.
agent::RunOutcome with_answers_used(agent::RunOutcome outcome, const AgentSetup& setup);

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
// The tools of a run that another one makes: those of the options, MCP servers included, with a session of `sandbox` of
// their own. Any thread.
AgentSetup set_up_child(
    const AgentOptions& options, const Environment& env, std::shared_ptr<tools::Secrets> secrets, sandbox::Sandbox* sandbox
);

// Prints why a run that did not end well ended; nothing when it did.
void report(const agent::RunOutcome& outcome);

}  // namespace toccata::cli
