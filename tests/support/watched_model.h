// A model whose forks can be watched, and can be made to say something else than their origin would.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "agent/model/token_model.h"
#include "tests/support/patience.h"

namespace toccata::testing {

class WatchedModel : public agent::TokenModel {
 public:
  // Forks are those of `model`, or with `forks` new sessions of that.
  explicit WatchedModel(agent::TokenModel& model, agent::TokenModel* forks = nullptr)
      : model_(model), forks_(forks), capabilities_(model.capabilities()) {}

  const std::string& name() const override { return model_.name(); }
  const agent::Capabilities& capabilities() const override { return capabilities_; }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override { return model_.tokenizer(); }
  Result<std::unique_ptr<agent::TokenSession>> open_session() override {
    return wrapped(model_.open_session(), false);
  }

  void cannot_fork() { capabilities_.fork = false; }
  // Called before each token of a session that is no fork.
  std::function<void(const agent::TokenSession&)> before_sample;
  // Waits until so many forks have come to their end; false: they did not.
  bool wait_for_forks(int n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return n_over_ >= n; });
  }
  int n_sampled_by_forks() const {
    const std::lock_guard lock(mutex_);
    return n_sampled_;
  }
  int n_forks() const {
    const std::lock_guard lock(mutex_);
    return n_forks_;
  }

 private:
  class Session final : public agent::TokenSession {
   public:
    Session(WatchedModel& model, std::unique_ptr<agent::TokenSession> session, bool is_fork)
        : model_(model), session_(std::move(session)), is_fork_(is_fork) {}
    ~Session() override {
      session_.reset();
      if (is_fork_) model_.count(0, 0, 1);
    }
    void introduce(std::span<const harmony::Message> opening) override { session_->introduce(opening); }
    Result<void> append(std::span<const Token> tokens) override { return session_->append(tokens); }
    Result<agent::Sampled> sample(const SamplingParams& params, std::optional<agent::TokenMask> mask, std::stop_token stop) override {
      if (is_fork_) model_.count(0, 1, 0);
      if (!is_fork_ && model_.before_sample) model_.before_sample(*session_);
      return session_->sample(params, mask, std::move(stop));
    }
    Result<void> prefill(std::stop_token stop) override { return session_->prefill(std::move(stop)); }
    bool has_further_call() const override { return session_->has_further_call(); }
    bool has_next() const override { return session_->has_next(); }
    Result<std::unique_ptr<agent::TokenSession>> fork() override {
      model_.count(1, 0, 0);
      return model_.wrapped(model_.forks_ != nullptr ? model_.forks_->open_session() : session_->fork(), true);
    }
    Result<agent::Checkpoint> checkpoint() override { return session_->checkpoint(); }
    Result<void> rollback(const agent::Checkpoint& checkpoint) override { return session_->rollback(checkpoint); }
    std::int64_t n_tokens() const override { return session_->n_tokens(); }
    const agent::Usage& usage() const override { return session_->usage(); }

   private:
    WatchedModel& model_;
    std::unique_ptr<agent::TokenSession> session_;
    const bool is_fork_;
  };

  Result<std::unique_ptr<agent::TokenSession>> wrapped(Result<std::unique_ptr<agent::TokenSession>> session, bool is_fork) {
    if (!session) return session;
    return std::unique_ptr<agent::TokenSession>(std::make_unique<Session>(*this, std::move(*session), is_fork));
  }
  void count(int forks, int sampled, int over) {
    const std::lock_guard lock(mutex_);
    n_forks_ += forks;
    n_sampled_ += sampled;
    n_over_ += over;
    changed_.notify_all();
  }

  agent::TokenModel& model_;
  agent::TokenModel* const forks_;
  agent::Capabilities capabilities_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int n_forks_ = 0, n_sampled_ = 0, n_over_ = 0;
};

}  // namespace toccata::testing
