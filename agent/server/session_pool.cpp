#include "agent/server/session_pool.h"

#include <algorithm>

namespace toccata::server {
namespace {

// A session loses at most these many tokens at its end when its own conversation goes on: the closing `<|return|>`.
constexpr std::int64_t kTailMax = 1;
// A shared beginning shorter than this is not worth a copy.
constexpr std::int64_t kSharedMin = 16;

std::int64_t common_prefix(std::span<const Token> a, std::span<const Token> b) {
  const std::size_t n = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first - a.begin();
}

}  // namespace

SessionPool::Lease::Lease(
    SessionPool& pool, std::unique_ptr<agent::TokenSession> session, Tokens timeline
)
    : pool_(&pool), session_(std::move(session)), timeline_(std::move(timeline)) {
  pool_->n_leased_ += std::ssize(timeline_);
}

SessionPool::Lease::~Lease() {
  if (session_ == nullptr) return;
  pool_->n_leased_ -= std::ssize(timeline_);
  pool_->give_back({std::move(session_), std::move(timeline_)});
}

Result<void> SessionPool::Lease::append(std::span<const Token> tokens) {
  if (Result<void> appended = session_->append(tokens); !appended) return appended.error();
  timeline_.insert(timeline_.end(), tokens.begin(), tokens.end());
  pool_->n_leased_ += std::ssize(tokens);
  return {};
}

Result<agent::Sampled> SessionPool::Lease::sample(
    const SamplingParams& params, std::optional<agent::TokenMask> mask, std::stop_token stop
) {
  Result<agent::Sampled> sampled = session_->sample(params, mask, std::move(stop));
  if (sampled) {
    timeline_.push_back(sampled->token);
    ++pool_->n_leased_;
    ++pool_->n_sampled_;
  }
  return sampled;
}

Result<void> SessionPool::Lease::take_back(std::int64_t n) {
  const std::int64_t left = session_->n_tokens() - n;
  if (Result<void> done = session_->rollback({left, 0}); !done) return done.error();
  pool_->n_leased_ -= n;
  timeline_.resize(static_cast<std::size_t>(left));
  return {};
}

std::optional<SessionPool::Idle> SessionPool::take_best(
    std::span<const Token> prompt, std::int64_t& common
) {
  const std::lock_guard lock(mutex_);
  auto best = idle_.end();
  common = 0;
  for (auto it = idle_.begin(); it != idle_.end(); ++it) {
    const std::int64_t n = common_prefix(it->timeline, prompt);
    const bool goes_on = static_cast<std::int64_t>(it->timeline.size()) - n <= kTailMax;
    if (!goes_on && (!options_.share_prefixes || n < kSharedMin)) continue;
    if (n > common) {
      best = it;
      common = n;
    }
  }
  if (best == idle_.end()) return std::nullopt;
  const auto lost = static_cast<std::int64_t>(best->timeline.size()) - common;
  if (lost > kTailMax && model_.capabilities().fork) {
    if (auto copy = best->session->fork()) return Idle{std::move(*copy), best->timeline};
  }
  Idle taken = std::move(*best);
  idle_.erase(best);
  n_tokens_ -= static_cast<std::int64_t>(taken.timeline.size());
  return taken;
}

Result<SessionPool::Lease> SessionPool::acquire(std::span<const Token> prompt) {
  std::int64_t common = 0;
  // The last token is always read again: its logits are what is sampled from.
  const auto wanted = prompt.first(prompt.empty() ? 0 : prompt.size() - 1);
  if (std::optional<Idle> idle = take_best(wanted, common)) {
    const auto held = static_cast<std::int64_t>(idle->timeline.size());
    const bool ready = held == common || idle->session->rollback({common, 0}).ok();
    if (ready) {
      idle->timeline.resize(static_cast<std::size_t>(common));
      Lease lease(*this, std::move(idle->session), std::move(idle->timeline));
      lease.n_cached_ = common;
      if (Result<void> ok = lease.append(prompt.subspan(static_cast<std::size_t>(common))); !ok) {
        return ok.error();
      }
      return lease;
    }
    give_back(std::move(*idle));  // its windows are gone; it still serves its own conversation
  }
  Result<std::unique_ptr<agent::TokenSession>> opened = model_.open_session();
  if (!opened) return opened.error();
  Lease lease(*this, std::move(*opened), {});
  if (Result<void> ok = lease.append(prompt); !ok) return ok.error();
  return lease;
}

void SessionPool::give_back(Idle idle) {
  std::list<Idle> dropped;  // destroyed after the lock
  const std::lock_guard lock(mutex_);
  n_tokens_ += static_cast<std::int64_t>(idle.timeline.size());
  idle_.push_front(std::move(idle));
  while (idle_.size() > options_.sessions_max || (n_tokens_ > options_.tokens_max && !idle_.empty())) {
    n_tokens_ -= static_cast<std::int64_t>(idle_.back().timeline.size());
    dropped.splice(dropped.begin(), idle_, std::prev(idle_.end()));
  }
}

SessionPool::Size SessionPool::size() const {
  const std::lock_guard lock(mutex_);
  return {idle_.size(), n_tokens_, n_leased_, n_sampled_};
}

}  // namespace toccata::server
