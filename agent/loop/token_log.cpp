#include "agent/loop/token_log.h"

#include <utility>

namespace toccata::agent {

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
  if (Result<void> appended = session_.append(tokens); !appended) return appended.error();
  writer_.append_tokens(kind, tokens);
  for (const Token token : tokens) note(token);
  return {};
}

Result<void> TokenLog::restore(std::span<const Token> timeline) {
  const bool closed = !timeline.empty() &&
                      (timeline.back() == control_.return_ || timeline.back() == control_.endoftext);
  const auto read = closed ? timeline.first(timeline.size() - 1) : timeline;
  if (Result<void> appended = session_.append(read); !appended) return appended.error();
  for (const Token token : timeline) note(token);
  stop_kept_back_ = closed;
  return {};
}

Result<Token> TokenLog::sample(const SamplingParams& params, std::stop_token stop) {
  Result<Sampled> sampled = session_.sample(params, std::nullopt, std::move(stop));
  if (!sampled) return sampled.error();
  const Token token = sampled->token;
  writer_.append_tokens(store::SegmentKind::kSampled, std::span(&token, 1));
  note(token);
  return token;
}

Result<void> TokenLog::take_back_last() {
  if (!std::exchange(stop_kept_back_, false)) {
    Result<void> done = session_.rollback(Checkpoint{session_.n_tokens() - 1, 0});
    if (!done) return done.error();
  }
  writer_.rollback(std::span(&last_, 1));
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
