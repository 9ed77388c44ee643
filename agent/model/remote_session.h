// What sessions of models behind a server share: the timeline stands here, and an answer that is under way fills a queue.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "agent/model/token_model.h"

namespace toccata::agent {

class RemoteSession : public TokenSession {
 public:
  void trace(const std::string& traceparent) override { traceparent_ = traceparent; }
  Result<void> append(std::span<const Token> tokens) override;
  Result<Sampled> sample(const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop) override;
  bool has_next() const override { return !queue_.empty(); }
  Result<std::unique_ptr<TokenSession>> fork() override;
  Result<Checkpoint> checkpoint() override { return Checkpoint{n_tokens(), 0}; }
  Result<void> rollback(const Checkpoint& checkpoint) override;
  std::int64_t n_tokens() const override { return std::ssize(timeline_); }
  const Usage& usage() const override { return usage_; }

 protected:
  explicit RemoteSession(std::int64_t n_context) : n_context_(n_context) {}

  // Puts at least one token into the queue, asking the server when no answer is under way.
  virtual Result<void> fill(const SamplingParams& params, const std::stop_token& stop) = 0;
  // Forgets the answer under way: what it would go on with is no longer the end of the timeline.
  virtual void drop_answer() = 0;
  // The server has been sent the timeline.
  void count_prefill();

  const Tokens& timeline() const { return timeline_; }
  const std::string& traceparent() const { return traceparent_; }
  std::deque<Sampled>& queue() { return queue_; }
  const std::deque<Sampled>& queue() const { return queue_; }

 private:
  Error full() const;
  void forget();

  std::int64_t n_context_;
  Tokens timeline_;
  std::string traceparent_;
  Usage usage_;
  std::int64_t to_prefill_ = 0;
  std::deque<Sampled> queue_;  // arrived and not yet sampled
};

}  // namespace toccata::agent
