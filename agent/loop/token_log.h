#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "agent/harmony/renderer.h"
#include "agent/loop/lineage.h"
#include "agent/model/token_model.h"
#include "agent/store/ledger.h"

namespace toccata::agent {

// The token timeline of a session and its copy in the ledger, always changed together. It only grows, but for two cases:
// settle() takes back a closing stop token, and cut() takes back what an edit replaces.
//
// The ledger's copy is pending until RunWriter::commit(). Model and writer must outlive the log.
class TokenLog {
 public:
  // kUnavailable and the like when the model opens no session.
  // `opening`: the messages that the log will begin with, as values; every session of it is introduced with them.
  static Result<TokenLog> open(
      TokenModel& model, store::RunWriter& writer, const harmony::ControlTokens& control, std::vector<harmony::Message> opening
  );

  // A log that begins with what `prefix` holds: see write_prefix() and restore().
  static Result<TokenLog> open(SharedPrefix& prefix, TokenModel& model, store::RunWriter& writer, const harmony::ControlTokens& control);
  // Puts the prefix into the ledger, the last `n_task` tokens of it as the user's.
  void write_prefix(const SharedPrefix& prefix, std::size_t n_task);

  // A copy of the session, which has read all of it; kUnsupported where the model has no copies.
  Result<std::unique_ptr<TokenSession>> fork(const std::stop_token& stop);

  // The same as it stands, without reading anything: the session is left as it is. kUnsupported also where the log does not
  // end with a complete message, behind which something may follow.
  Result<std::unique_ptr<TokenSession>> copy_behind_message() const;

  // kResourceExhausted when the context is full; nothing is appended then.
  Result<void> append(store::SegmentKind kind, std::span<const Token> tokens);
  // The log of a recorded run, into a session that is empty or holds a prefix; nothing is written to the ledger. A closing stop token is kept
  // back until settle(), which would take it back anyway.
  Result<void> restore(std::span<const Token> timeline);
  // As TokenSession::trace(), for the model calls to come.
  void trace(const std::string& traceparent) { session_->trace(traceparent); }
  Result<Token> sample(const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop);
  bool has_further_call() const { return session_->has_further_call(); }
  // The next sample() waits for nothing.
  bool has_next() const { return session_->has_next(); }

  // Makes the log end with a complete message, so that anything may follow: `<|return|>` (or `<|endoftext|>`) becomes
  // `<|end|>`; a message that was cut off is closed.
  Result<void> settle();

  // Remembers this place: a cut to it or behind it does not make the model read what stands before it again. One place
  // at a time; models that cannot do it are not asked twice.
  void mark();
  // Takes back everything from `keep` on. `log` is the log as it stands, which ends with a complete message. Where the
  // model cannot go back that far, it reads what is kept once more.
  Result<void> cut(std::span<const Token> log, std::int64_t keep);

  bool is_stop(Token token) const;
  std::int64_t n_tokens() const { return session_->n_tokens() + (stop_kept_back_ ? 1 : 0); }
  // Of all sessions the log has had.
  Usage usage() const;

 private:
  // What the last tokens left behind.
  enum class Tail { kComplete, kHeader, kContent, kStray };
  void note(Token token);
  Result<void> take_back_last();

  TokenLog(
      TokenModel& model,
      std::unique_ptr<TokenSession> session,
      store::RunWriter& writer,
      const harmony::ControlTokens& control,
      std::vector<harmony::Message> opening
  )
      : model_(&model), session_(std::move(session)), writer_(&writer), opening_(std::move(opening)), control_(control) {}
  static Result<std::unique_ptr<TokenSession>> open_session(TokenModel& model, std::span<const harmony::Message> opening);
  Result<void> go_back(std::span<const Token> kept);

  TokenModel* model_;
  std::unique_ptr<TokenSession> session_;
  store::RunWriter* writer_;
  std::vector<harmony::Message> opening_;
  Tokens prefix_;  // that the session held when it was opened
  Usage before_;   // of sessions that were given up; less what others had counted of a copied one
  std::optional<Checkpoint> mark_;
  harmony::ControlTokens control_;
  Tail tail_ = Tail::kComplete;
  Tail before_last_ = Tail::kComplete;
  Token last_ = -1;
  bool stop_kept_back_ = false;  // last_ stands in the ledger and not in the session
};

}  // namespace toccata::agent
