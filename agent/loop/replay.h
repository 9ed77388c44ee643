// A recorded run once more: does the model say the same tokens again?
#pragma once

#include <optional>
#include <stop_token>

#include "agent/harmony/constraint.h"
#include "agent/model/token_model.h"
#include "agent/store/ledger.h"
#include "tools/registry.h"

namespace toccata::agent {

struct Divergence {
  int step = 0;
  std::int64_t position = 0;  // in the token log
  Token recorded = 0, sampled = 0;
};

struct ReplayReport {
  std::int64_t n_compared = 0;  // sampled tokens, up to and including the first that differs
  std::int64_t n_tokens = 0;    // length of the recorded log
  std::optional<Divergence> divergence;  // the first; none: every token came again
};

// Reads the log in its order and samples again wherever the run sampled, with the same position and seed, and with the
// masks of `constraint` (may be null). Errors of the model and kCancelled come out as they are.
Result<ReplayReport> replay_tokens(
    TokenModel& model,
    const store::RunRecord& run,
    const SamplingParams& sampling,
    std::shared_ptr<const harmony::ConstraintPlan> constraint = nullptr,
    std::stop_token stop = {}
);

// `tools` as they are declared, but nothing runs: each call is answered with what the run recorded for the next call of
// the same recipient and arguments. A call the recording does not have ends the run.
tools::Registry recorded_tools(const tools::Registry& tools, const store::RunRecord& run);

}  // namespace toccata::agent
