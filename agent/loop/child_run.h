// One run that another one makes, from its order to its end.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "agent/loop/agent.h"

namespace toccata::agent {

struct ChildOrder {
  AgentConfig config;       // its own: with the lineage
  std::string task;         // said to it, or standing in its prefix
  bool may_delegate = false;  // functions.delegate is declared to it
  // Asked before a new run is made: why not, in plain words.
  std::function<std::optional<std::string>()> admit = {};
};

struct ChildEnd {
  std::optional<std::string> refused;  // by `admit`, and nothing else is set
  store::RunRecord record;
  // As of RunOutcome, also where an earlier process came to that end.
  int exit_code = 1;
  std::string reason, message;
  TokenUsage usage;
  // It was stopped, or waits for approval: made again, it goes on.
  bool is_unfinished() const { return reason == "stopped" || reason == "approval_needed"; }
  // Whose words it has read that are not the user's, and its own are only to be trusted so far.
  tools::Provenance provenance() const;
};

// Runs it to its end; goes on with it where an earlier process left it; where one came to its end, that is the end. So a
// caller of a kind has one run, however often it is asked for. Any thread: it has a connection to the ledger of its own.
ChildEnd run_child(
    TokenModel& model, const std::filesystem::path& ledger, ChildOrder order, const EventSink& sink, std::stop_token stop
);

// A parent's parameters for its child: with a seed and masks of its own. `rules` may be null.
std::string child_params(const std::string& params, std::uint64_t seed, const harmony::ConstraintRules* rules);

// The seed of a child that is to say something else than its caller.
std::uint64_t child_seed(std::uint64_t seed, const store::Caller& caller);

}  // namespace toccata::agent
