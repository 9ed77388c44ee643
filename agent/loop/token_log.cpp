#include "agent/loop/token_log.h"

#include <algorithm>
#include <utility>

namespace toccata::agent {

Result<std::unique_ptr<TokenSession>> TokenLog::open_session(TokenModel& model, std::span<const harmony::Message> opening) {
  Result<std::unique_ptr<TokenSession>> session = model.open_session();
  if (session) (*session)->introduce(opening);
  return session;
}

Result<TokenLog> TokenLog::open(
    TokenModel& model, store::RunWriter& writer, const harmony::ControlTokens& control, std::vector<harmony::Message> opening
) {
  Result<std::unique_ptr<TokenSession>> session = open_session(model, opening);
  if (!session) return session.error();
  return TokenLog(model, std::move(*session), writer, control, std::move(opening));
}

Result<TokenLog> TokenLog::open(
    SharedPrefix& prefix, TokenModel& model, store::RunWriter& writer, const harmony::ControlTokens& control
) {
  Result<SharedPrefix::Copy> copy = prefix.copy();
  if (!copy) return copy.error();
  TokenLog log(model, std::move(copy->session), writer, control, prefix.opening());
  log.before_ = {-copy->counted.appended, -copy->counted.prefilled, -copy->counted.decoded};
  log.prefix_ = prefix.tokens();
  return log;
}

void TokenLog::write_prefix(const SharedPrefix& prefix, std::size_t n_task) {
  const std::span<const Token> tokens(prefix.tokens());
  writer_->append_tokens(store::SegmentKind::kPrompt, tokens.first(tokens.size() - n_task));
  writer_->append_tokens(store::SegmentKind::kUser, tokens.last(n_task));
  for (const Token token : tokens) note(token);
}

Result<std::unique_ptr<TokenSession>> TokenLog::fork(const std::stop_token& stop) {
  if (!model_->capabilities().fork) return Error{ErrorCode::kUnsupported, "sessions of " + model_->name() + " have no copies"};
  if (Result<void> read = session_->prefill(stop); !read) return read.error();
  return session_->fork();
}

Result<std::unique_ptr<TokenSession>> TokenLog::copy_behind_message() const {
  const bool complete = tail_ == Tail::kComplete && (last_ == control_.end || last_ == control_.call);
  if (!complete) return Error{ErrorCode::kUnsupported, "the log ends inside of a message or a turn"};
  return session_->fork();
}

Usage TokenLog::usage() const {
  const Usage& now = session_->usage();
  return {
      before_.appended + now.appended,
      before_.prefilled + now.prefilled,
      before_.decoded + now.decoded};
}

void TokenLog::mark() {
  mark_.reset();
  if (const Result<Checkpoint> taken = session_->checkpoint(); taken) mark_ = *taken;
}

Result<void> TokenLog::go_back(std::span<const Token> kept) {
  const std::int64_t keep = std::ssize(kept);
  if (session_->rollback(Checkpoint{keep, 0})) return {};
  if (mark_ && mark_->n_tokens <= keep && session_->rollback(*mark_)) {
    return session_->append(kept.subspan(static_cast<std::size_t>(mark_->n_tokens)));
  }
  Result<std::unique_ptr<TokenSession>> fresh = open_session(*model_, opening_);
  if (!fresh) return fresh.error();
  before_ = usage();
  session_ = std::move(*fresh);
  mark_.reset();
  return session_->append(kept);
}

Result<void> TokenLog::cut(std::span<const Token> log, std::int64_t keep) {
  TOCCATA_CHECK(keep >= 0 && keep <= std::ssize(log), "a cut inside the log");
  TOCCATA_CHECK(tail_ == Tail::kComplete && !stop_kept_back_, "settle() comes first");
  if (mark_ && mark_->n_tokens > keep) mark_.reset();
  if (Result<void> back = go_back(log.first(static_cast<std::size_t>(keep))); !back) return back;
  writer_->rollback(log.subspan(static_cast<std::size_t>(keep)));
  last_ = keep > 0 ? log[static_cast<std::size_t>(keep) - 1] : -1;
  return {};
}

bool TokenLog::is_stop(Token token) const {
  return token == control_.return_ || token == control_.call || token == control_.endoftext;
}

void TokenLog::note(Token token) {
  before_last_ = tail_;
  last_ = token;
  if (token == control_.start || token == control_.channel) {
    tail_ = Tail::kHeader;
  } else if (token == control_.message) {
    tail_ = Tail::kContent;
  } else if (token == control_.end || is_stop(token)) {
    tail_ = Tail::kComplete;
  } else if (tail_ == Tail::kComplete) {
    tail_ = Tail::kStray;
  }
}

Result<void> TokenLog::append(store::SegmentKind kind, std::span<const Token> tokens) {
  if (Result<void> appended = session_->append(tokens); !appended) return appended.error();
  writer_->append_tokens(kind, tokens);
  for (const Token token : tokens) note(token);
  return {};
}

Result<void> TokenLog::restore(std::span<const Token> timeline) {
  const bool closed = !timeline.empty() &&
                      (timeline.back() == control_.return_ || timeline.back() == control_.endoftext);
  auto read = closed ? timeline.first(timeline.size() - 1) : timeline;
  if (!prefix_.empty()) {
    const bool begins_with_it = read.size() >= prefix_.size() && std::equal(prefix_.begin(), prefix_.end(), read.begin());
    if (begins_with_it) {
      read = read.subspan(prefix_.size());
    } else if (Result<std::unique_ptr<TokenSession>> fresh = open_session(*model_, opening_); fresh) {
      session_ = std::move(*fresh);
      before_ = {};
    } else {
      return fresh.error();
    }
  }
  if (Result<void> appended = session_->append(read); !appended) return appended.error();
  for (const Token token : timeline) note(token);
  stop_kept_back_ = closed;
  return {};
}

Result<Token> TokenLog::sample(
    const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop
) {
  Result<Sampled> sampled = session_->sample(params, mask, std::move(stop));
  if (!sampled) return sampled.error();
  const Token token = sampled->token;
  writer_->append_tokens(store::SegmentKind::kSampled, std::span(&token, 1));
  note(token);
  return token;
}

Result<void> TokenLog::take_back_last() {
  if (!std::exchange(stop_kept_back_, false)) {
    Result<void> done = session_->rollback(Checkpoint{session_->n_tokens() - 1, 0});
    if (!done) return done.error();
  }
  writer_->rollback(std::span(&last_, 1));
  tail_ = before_last_;
  return {};
}

Result<void> TokenLog::settle() {
  // A session that cannot roll back keeps its stop token: `<|return|>` in history is off the documented form, but
  // better than no next turn.
  if (last_ == control_.return_ || last_ == control_.endoftext) {
    if (Result<void> back = take_back_last();
        !back && back.error().code != ErrorCode::kUnsupported) {
      return back.error();
    }
  }
  Tokens closing;
  if (tail_ == Tail::kHeader) closing.push_back(control_.message);
  if (tail_ != Tail::kComplete) closing.push_back(control_.end);
  if (closing.empty()) return {};
  return append(store::SegmentKind::kForced, closing);
}

}  // namespace toccata::agent
