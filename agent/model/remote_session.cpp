#include "agent/model/remote_session.h"

#include <string>
#include <utility>

namespace toccata::agent {

Error RemoteSession::full() const {
  return {ErrorCode::kResourceExhausted, "the context of " + std::to_string(n_context_) + " tokens is full"};
}

void RemoteSession::forget() {
  drop_answer();
  queue_.clear();
}

void RemoteSession::count_prefill() { usage_.prefilled += std::exchange(to_prefill_, 0); }

Result<void> RemoteSession::append(std::span<const Token> tokens) {
  if (n_tokens() + std::ssize(tokens) > n_context_) return full();
  forget();
  timeline_.insert(timeline_.end(), tokens.begin(), tokens.end());
  usage_.appended += std::ssize(tokens);
  to_prefill_ += std::ssize(tokens);
  return {};
}

Result<Sampled> RemoteSession::sample(const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop) {
  if (mask) return Error{ErrorCode::kUnsupported, "a remote model cannot be constrained by a mask"};
  if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "sampling was stopped"};
  if (n_tokens() + 1 > n_context_) return full();
  if (queue_.empty()) {
    if (Result<void> filled = fill(params, stop); !filled) return filled.error();
  }
  const Sampled sampled = queue_.front();
  queue_.pop_front();
  timeline_.push_back(sampled.token);
  usage_.decoded += 1;
  return sampled;
}

Result<std::unique_ptr<TokenSession>> RemoteSession::fork() {
  return Error{ErrorCode::kUnsupported, "a remote session cannot be forked"};
}

Result<void> RemoteSession::rollback(const Checkpoint& checkpoint) {
  if (checkpoint.n_tokens < 0 || checkpoint.n_tokens > n_tokens()) {
    return Error{ErrorCode::kInvalidArgument, "rollback to a position that is not there"};
  }
  forget();
  timeline_.resize(static_cast<std::size_t>(checkpoint.n_tokens));
  return {};
}

}  // namespace toccata::agent
