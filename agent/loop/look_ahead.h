// What the model would call next, asked of a fork of its session while a tool runs.
//
// A model makes one call, and says nothing until it has the result: independent calls are made one after another, each at
// the price of the slowest tool. So while a call is open that takes longer than LookAheadRules::after, a copy of the session
// (copy-on-write: nothing is read again) reads a line that stands for the result, and goes on until it makes a call. If
// that may be guessed (guesses.h) it is begun, a line stands for its result too, and so on; anything else ends it: an
// answer, another kind of call, a bound, and the result itself, which waits for one token at most.
//
//     the run     call A ------------------------ result A | B? taken | C? taken | answer
//     the fork         \ "running" B "running" C ...
//     B, C                          B ------------ ... C ------------
//
// The session itself is not touched: the run samples behind the real result exactly as if nobody had looked ahead, since
// what it draws depends on its own tokens, the seed and the position alone. The copy's tokens stand in no log; they count in
// Budget and in TokenUsage.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/harmony/constraint.h"
#include "agent/harmony/renderer.h"
#include "agent/loop/agent.h"
#include "agent/loop/budget.h"
#include "agent/loop/dispatcher.h"
#include "agent/loop/token_log.h"
#include "agent/loop/watchdog.h"

namespace toccata::agent {

// One per agent; what it is given must outlive it.
class LookAhead {
 public:
  LookAhead(
      const TokenLog& log,
      const harmony::Renderer& renderer,
      const AgentConfig& config,
      Budget& budget,
      Dispatcher& dispatcher,
      std::vector<std::string> recipients,  // as the model is told them
      bool has_functions
  );

  // While it stands, the log ends with a call that is open and nothing else touches log or dispatcher: the tool runs on
  // this thread, and the fork on one of its own, which begins once it is worth it. `stub` stands for the result. When it goes,
  // the fork is over.
  std::shared_ptr<void> watch(harmony::Message stub, Watchdog& watchdog);

  // Read and sampled by forks. While no watch stands.
  std::int64_t n_tokens() const { return n_tokens_; }

 private:
  class Watch;
  void look(harmony::Message stub, const std::stop_token& stop);
  // The next call of the fork, after these tokens; none: there is none to be had.
  std::optional<MessageStream::Done> next_call(TokenSession& fork, const std::stop_token& stop);
  bool append(TokenSession& fork, const Tokens& tokens);
  bool admit(std::int64_t n_read, std::int64_t n_sampled);

  const TokenLog& log_;
  const harmony::Renderer& renderer_;
  const AgentConfig& config_;
  Budget& budget_;
  Dispatcher& dispatcher_;
  const std::vector<std::string> recipients_;
  const bool has_functions_;
  std::optional<harmony::Constraint> constraint_;
  std::int64_t n_tokens_ = 0;
  std::int64_t n_left_ = 0;  // that the fork may still sample
};

}  // namespace toccata::agent
