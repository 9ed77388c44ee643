// The agent loop: a model, tools and a task in; a finished piece of work and a complete ledger out.
//
// One page of what happens (agent.cpp has it in the same order):
//   1. The system message, the developer message and the user's message are rendered once and
//   appended.
//   2. One step: `<|start|>assistant` is appended, tokens are sampled and parsed until a call, an
//   answer or a limit.
//   3. A call: intent row, approval, tool, result row; the result is rendered once and appended;
//   back to 2.
//   4. An answer: the run is finished. Anything else is mended once (nudge, forced final) and then
//   ends the run.
// What was sampled is never rendered again. Only the closing `<|return|>` of a turn changes: when
// something follows it, it is taken back and `<|end|>` stands in its place, as the format document
// demands for history.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "agent/harmony/constraint.h"
#include "agent/harmony/message.h"
#include "agent/loop/approval.h"
#include "agent/loop/best_of.h"
#include "agent/loop/events.h"
#include "agent/loop/limits.h"
#include "agent/loop/lineage.h"
#include "agent/loop/output_schema.h"
#include "agent/loop/trace.h"
#include "agent/model/token_model.h"
#include "agent/store/ledger.h"
#include "tools/registry.h"
#include "tools/secrets/secrets.h"

namespace toccata::agent {

// One model call, told when it is over.
struct ModelCall {
  using Clock = std::chrono::system_clock;
  std::string run;  // id
  int step = 0;
  Clock::time_point begin, end;
  std::optional<Clock::time_point> first_token;  // none: nothing was sampled
  std::int64_t n_prompt = 0;                     // tokens of the log before it
  std::int64_t prefilled = 0, decoded = 0;
  std::string ended;  // "call", "stop", or why it was cut off: as in StepRow
};

// Calls made before the model has asked for them (guesses.h, look_ahead.h). They change nothing but when tools run, and, with
// a budget of tokens, where it ends a run: an eighth of it may go into guesses.
struct LookAheadRules {
  int calls_max = 8;  // made ahead at once; 0: none is
  // A tool that runs longer than this is worth a fork of the session, where the model has them.
  std::chrono::milliseconds after{20};
  std::int64_t tokens_max = 2048;  // that one fork samples
};

struct AgentConfig {
  Limits limits;
  LookAheadRules look_ahead;
  SamplingParams sampling;
  harmony::ReasoningEffort reasoning = harmony::ReasoningEffort::kMedium;
  std::optional<std::string> instructions;    // developer message
  std::optional<std::string> model_identity;  // replaces "You are ChatGPT, ..."
  std::optional<std::string> current_date;    // ISO date for the system message; none: left out
  // Reasoning of a turn is left out of the log when the next one begins, as the format document demands.
  bool drop_finished_reasoning = true;
  ApprovalPolicy approval;
  // Masks for what the model writes (turn_constraint()); null: it writes what it likes, and the parser mends it.
  std::shared_ptr<const harmony::ConstraintPlan> constraint;
  // The model is told of it, and an answer that does not satisfy it is none: it is asked again once.
  std::optional<OutputSchema> output_schema;
  SessionFiles files;
  // Tools of the runs that this one makes, each with its own; null: those have none. Any thread.
  std::function<ChildTools()> child_tools;
  std::shared_ptr<const Lineage> lineage;  // of a run that another one makes
  // More than one candidate for the answer of every turn: forks of the log, each with a seed and a run of its own; the
  // answer chosen becomes this run's.
  BestOf best_of;
  // Their values are taken out of what users and tools say, before anybody reads or records it; null: there are none.
  std::shared_ptr<tools::Secrets> secrets;
  // Those of runs that this one makes included, in the order of their events; on the thread of run(); must not throw.
  std::function<void(const ModelCall&)> on_model_call;
  // What requests of model and tools say of the trace they belong to; null: nothing.
  std::shared_ptr<Trace> trace;
  std::string sandbox_level;  // recorded in the ledger
  std::string params = "{}";  // recorded in the ledger: one JSON object
};

// How a run() ended. Exit codes:
//   0 done · 1 run failed · 2 cannot resume · 4 budget or turn limit · 5 denied or waiting for approval · 6 tool unavailable · 7 model error
//   · 8 output schema unmet · 124 time-out · 130 stopped
// terminal_reason: "final" | "no_final" "malformed" "repeated_calls" "ledger_error" "error" |
// "max_turns" "budget"
//   "step_tokens" "context_full" | "denied" "approval_needed" | "tool_unavailable" | "model_error"
//   | "schema_unmet" | "timeout" | "stopped" | "cannot_resume"
struct RunOutcome {
  int exit_code = 1;
  std::string terminal_reason;
  std::string message;  // why, in plain words; empty when done
  std::string final;    // the answer; with "no_final" the preamble, if there was one
  std::string run_id;
  TokenUsage usage;  // of this run() call
};

// One thread at a time. The model, the registry and the ledger must outlive it.
class Agent {
 public:
  // Opens nothing yet: errors of model and ledger come out of the first run().
  Agent(
      TokenModel& model,
      tools::Registry& registry,
      store::Ledger& ledger,
      AgentConfig config,
      EventSink sink = {}
  );
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // One turn: from a user's message to the answer. Further calls go on in the same token log and
  // the same ledger run. Never throws on what the model, a tool or the ledger does: each way out is
  // an outcome, and each leaves the ledger complete as far as the ledger can be written.
  RunOutcome run(std::string_view user_message, std::stop_token stop = {});

  // Goes on with a recorded run of the same ledger, in its token log: nothing that stands there is rendered again. A
  // model call that was cut off goes on in the middle of its message; a call whose result is missing is handled as its
  // tool allows (tools::Effect). Then `user_message`, when there is one, and steps until an answer; without one, and
  // with an answer already recorded, that answer. The first call of an agent; run() may follow. As with run(), the
  // message refuses a call that was left because it waits for approval or goes beyond the budget.
  // Reason "cannot_resume", exit 2: no such run, another process writes it, or the model has other tokens.
  RunOutcome resume(
      std::string_view run_id,
      std::optional<std::string_view> user_message = std::nullopt,
      std::stop_token stop = {}
  );

  // A user's message for a turn that is under way, read before its next model call. From any thread.
  void steer(std::string_view text);

  // The run's id in the ledger; empty before the first run().
  const std::string& run_id() const;
  // Counters of the token log: prefilled == appended unless something was read twice.
  Usage session_usage() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::agent
