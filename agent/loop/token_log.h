#pragma once

#include <cstdint>
#include <span>
#include <stop_token>

#include "agent/harmony/renderer.h"
#include "agent/model/token_model.h"
#include "agent/store/ledger.h"

namespace toccata::agent {

// The token timeline of a session and its copy in the ledger, always changed together. It only grows, but for one case:
// settle() takes back a closing stop token.
//
// The ledger's copy is pending until RunWriter::commit(). Both must outlive the log.
class TokenLog {
 public:
  TokenLog(TokenSession& session, store::RunWriter& writer, const harmony::ControlTokens& control)
      : session_(session), writer_(writer), control_(control) {}

  // kResourceExhausted when the context is full; nothing is appended then.
  Result<void> append(store::SegmentKind kind, std::span<const Token> tokens);
  // The log of a recorded run, into an empty session; nothing is written to the ledger. A closing stop token is kept
  // back until settle(), which would take it back anyway.
  Result<void> restore(std::span<const Token> timeline);
  Result<Token> sample(const SamplingParams& params, std::stop_token stop);

  // Makes the log end with a complete message, so that anything may follow: `<|return|>` (or `<|endoftext|>`) becomes
  // `<|end|>`; a message that was cut off is closed.
  Result<void> settle();

  bool is_stop(Token token) const;
  std::int64_t n_tokens() const { return session_.n_tokens(); }
  const Usage& usage() const { return session_.usage(); }

 private:
  // What the last tokens left behind.
  enum class Tail { kComplete, kHeader, kContent, kStray };
  void note(Token token);
  Result<void> take_back_last();

  TokenSession& session_;
  store::RunWriter& writer_;
  const harmony::ControlTokens control_;
  Tail tail_ = Tail::kComplete;
  Tail before_last_ = Tail::kComplete;
  Token last_ = -1;
  bool stop_kept_back_ = false;  // last_ stands in the ledger and not in the session
};

}  // namespace toccata::agent
