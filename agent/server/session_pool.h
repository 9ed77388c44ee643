// Sessions that are kept after a request, so that the next request with the same beginning reads only what is new.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "agent/model/token_model.h"
#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::server {

struct PoolOptions {
  std::size_t sessions_max = 64;                          // idle ones; the longest unused goes first
  std::int64_t tokens_max = std::int64_t{4} << 20;        // in all idle sessions
  // Whether a session may be cut back to (or copied at) the beginning it shares with another conversation. Off, only a
  // conversation that goes on finds its session again: for models whose next words depend on more than their tokens
  // (a script).
  bool share_prefixes = true;
};

// Any thread. The model must outlive the pool, the pool its leases.
class SessionPool {
 public:
  SessionPool(agent::TokenModel& model, PoolOptions options) : model_(model), options_(options) {}

  // A session that holds `timeline`. Goes back to the pool when it is destroyed.
  class Lease {
   public:
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    // Tokens of the prompt that were there already.
    std::int64_t n_cached() const { return n_cached_; }
    const Tokens& timeline() const { return timeline_; }
    // As TokenSession::introduce().
    void introduce(std::span<const harmony::Message> opening) { session_->introduce(opening); }
    // As TokenSession::trace().
    void trace(const std::string& traceparent) { session_->trace(traceparent); }
    Result<void> append(std::span<const Token> tokens);
    Result<agent::Sampled> sample(
        const SamplingParams& params, std::optional<agent::TokenMask> mask, std::stop_token stop
    );
    // Forgets the last n tokens.
    Result<void> take_back(std::int64_t n);

   private:
    friend class SessionPool;
    Lease(SessionPool& pool, std::unique_ptr<agent::TokenSession> session, Tokens timeline);
    SessionPool* pool_;
    std::unique_ptr<agent::TokenSession> session_;
    Tokens timeline_;  // what the session holds
    std::int64_t n_cached_ = 0;
  };

  // A session that holds exactly `prompt`, of which as much as possible was read before.
  Result<Lease> acquire(std::span<const Token> prompt);

  struct Size {
    std::size_t n_sessions = 0;
    std::int64_t n_tokens = 0;
    std::int64_t n_leased = 0;   // tokens in sessions that are at work
    std::int64_t n_sampled = 0;  // tokens sampled since the start, those of steps under way included
  };
  Size size() const;

 private:
  struct Idle {
    std::unique_ptr<agent::TokenSession> session;
    Tokens timeline;
  };
  std::optional<Idle> take_best(std::span<const Token> prompt, std::int64_t& common);
  void give_back(Idle idle);

  agent::TokenModel& model_;
  const PoolOptions options_;
  std::atomic<std::int64_t> n_leased_ = 0, n_sampled_ = 0;
  mutable std::mutex mutex_;
  std::list<Idle> idle_;  // latest first
  std::int64_t n_tokens_ = 0;
};

}  // namespace toccata::server
