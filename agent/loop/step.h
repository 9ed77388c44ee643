#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/harmony/parser.h"
#include "agent/harmony/renderer.h"
#include "agent/loop/agent.h"
#include "agent/loop/budget.h"
#include "agent/loop/message_stream.h"
#include "agent/loop/token_log.h"
#include "agent/store/ledger.h"

namespace toccata::agent {

// The end of a run() call, passed up from wherever it was decided. Fields as in RunOutcome.
struct Ending {
  int exit_code = 1;
  std::string reason;
  std::string message;
};

// An error of the session: a full context is a limit (exit 4), anything else the model's failure (exit 7).
Ending ending_for(const Error& error);

// Set when so many tokens more would exceed the budget; else they are counted.
std::optional<Ending> over_budget(const TokenLog& log, Budget& budget, std::int64_t n_read, std::int64_t n_sampled = 0);

// What one model call came to.
struct StepResult {
  std::optional<Ending> ending;  // a limit or an error; the rest is then cut off
  bool cancelled = false;        // `stop` was requested; the caller knows why
  std::vector<MessageStream::Done> calls;
  std::string final, preamble;
  bool cut_off() const { return ending.has_value() || cancelled; }
};

// One model call: `<|start|>assistant` is appended, tokens are sampled and parsed until a call, a stop token or a limit.
// Ledger rows and events come out on the way. One per agent; what it is given must outlive it.
class Step {
 public:
  Step(
      TokenLog& log,
      const harmony::Renderer& renderer,
      store::RunWriter& writer,
      EventQueue& events,
      const AgentConfig& config,
      Budget& budget,
      std::vector<std::string> recipients,
      const tools::CitablePages& pages  // what an answer may cite
  );

  // Hears, on this thread, the messages so far when a call among them has ended and the answer goes on.
  using CallEnded = std::function<void(const std::vector<MessageStream::Done>&)>;
  void set_call_ended(CallEnded call_ended) { call_ended_ = std::move(call_ended); }

  // `force_final`: the message is opened as `<|channel|>final<|message|>`, so that the model can only answer.
  // Adds what it cost to `usage`.
  StepResult take(bool force_final, const std::stop_token& stop, TokenUsage& usage);

  // Goes on with step `number` of a recorded run, which was cut off after the model had said `said` (the tokens behind
  // `<|start|>assistant`, already in the log). Nothing is sampled when they end the step.
  StepResult go_on(
      int number, std::span<const Token> said, const std::stop_token& stop, TokenUsage& usage
  );
  // The calls among `said`, without ledger rows and events. The next step has the number behind `number`.
  std::vector<MessageStream::Done> calls_in(int number, std::span<const Token> said);

 private:
  struct Reader;
  StepResult finish(Reader& reader, StepResult result, const Usage& before, std::int64_t n_prompt, TokenUsage& usage);
  Reader make_reader();
  std::optional<Ending> open_message(bool force_final, Reader& reader);
  void sample(
      Reader& reader,
      std::int64_t n_sampled,
      const std::stop_token& stop,
      TokenUsage& usage,
      StepResult& result
  );
  // What the format leaves no choice about goes into the log without being sampled. How many tokens that was.
  std::int64_t write_forced(Reader& reader, StepResult& result);
  bool ends_step(Token token, std::size_t n_messages_before, const MessageStream& stream) const;
  // Of tokens that are not sampled.
  std::optional<Ending> over_budget(std::int64_t n_read) const;
  // After too much reasoning: closes the message and opens the answer.
  std::optional<Ending> force_answer(Reader& reader);
  std::optional<Ending> limit_reached(std::int64_t n_sampled) const;

  TokenLog& log_;
  const harmony::Renderer& renderer_;
  store::RunWriter& writer_;
  EventQueue& events_;
  const AgentConfig& config_;
  Budget& budget_;
  const std::vector<std::string> recipients_;
  const tools::CitablePages& pages_;
  std::optional<harmony::Constraint> constraint_;
  CallEnded call_ended_;
  int n_ = 0;  // steps taken
  ModelCall::Clock::time_point begin_;
  std::optional<ModelCall::Clock::time_point> first_token_;  // of this step, where somebody asks
};

}  // namespace toccata::agent
