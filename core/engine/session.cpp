#include "core/engine/session.h"

#include <algorithm>

namespace toccata::engine {
namespace {

Error cancelled() { return Error{ErrorCode::kCancelled, "stopped"}; }

}  // namespace

Session::Session(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      timeline_(open_timeline(model_)),
      sampler_(model_->config().n_vocab),
      logits_(static_cast<std::size_t>(model_->config().n_vocab)) {}

Session::Session(const Session& other)
    : model_(other.model_),
      timeline_(other.timeline_->fork()),
      sampler_(other.sampler_),
      pending_(other.pending_),
      n_sampled_pending_(other.n_sampled_pending_),
      logits_(other.logits_),
      logits_valid_(other.logits_valid_),
      usage_(other.usage_) {}

Result<void> Session::append(std::span<const Token> tokens) {
  const std::int64_t n_context = model_->n_context();
  if (n_tokens() + static_cast<std::int64_t>(tokens.size()) > n_context) {
    return Error{
        ErrorCode::kResourceExhausted,
        "the context is full: " + std::to_string(n_tokens()) + " tokens and " +
            std::to_string(tokens.size()) + " more, of " + std::to_string(n_context)};
  }
  for (const Token token : tokens) {
    if (token < 0 || token >= model_->config().n_vocab) {
      return Error{
          ErrorCode::kInvalidArgument,
          "token " + std::to_string(token) + " is outside the model's vocabulary of " +
              std::to_string(model_->config().n_vocab)};
    }
  }
  pending_.insert(pending_.end(), tokens.begin(), tokens.end());
  usage_.appended += static_cast<std::int64_t>(tokens.size());
  return {};
}

Result<void> Session::read(std::size_t keep, std::stop_token stop) {
  while (pending_.size() > keep) {
    if (stop.stop_requested()) return cancelled();
    const std::size_t n = std::min(
        pending_.size() - keep, static_cast<std::size_t>(model_->options().chunk_tokens)
    );
    const int n_logits = n == pending_.size() ? 1 : 0;
    try {
      timeline_->forward(std::span(pending_).first(n), n_logits, logits_.data());
    } catch (const Exception& failure) {  // a device that is full, or gone
      return failure.error();
    }
    logits_valid_ = n_logits == 1;
    const std::size_t sampled = std::min(n, n_sampled_pending_);
    n_sampled_pending_ -= sampled;
    usage_.prefilled += static_cast<std::int64_t>(n - sampled);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return {};
}

Result<std::span<const float>> Session::logits(std::stop_token stop) {
  if (n_tokens() == 0) {
    return Error{ErrorCode::kInvalidArgument, "an empty session has no next token: append a prompt"};
  }
  if (auto done = read(0, std::move(stop)); !done) return done.error();
  if (!logits_valid_) {
    return Error{ErrorCode::kInvalidArgument, "after a rollback something must be appended first"};
  }
  return std::span<const float>(logits_);
}

Result<ops::Draw> Session::sample(
    const SamplingParams& params, std::optional<std::span<const std::uint32_t>> mask, int n_legal,
    std::stop_token stop
) {
  if (n_tokens() >= model_->n_context()) {
    return Error{
        ErrorCode::kResourceExhausted,
        "the context is full: " + std::to_string(n_tokens()) + " tokens"};
  }
  const auto scores = logits(std::move(stop));
  if (!scores) return scores.error();
  const ops::Draw draw =
      sampler_.draw(*scores, params, mask, n_legal, static_cast<std::uint64_t>(n_tokens()));
  pending_.push_back(draw.token);
  n_sampled_pending_ = 1;
  ++usage_.decoded;
  return draw;
}

Result<Checkpoint> Session::checkpoint(std::stop_token stop) {
  if (n_tokens() == 0) {
    return Error{ErrorCode::kInvalidArgument, "an empty session has no checkpoint"};
  }
  if (pending_.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a checkpoint is taken after append() or sample()"};
  }
  if (auto done = read(1, std::move(stop)); !done) return done.error();
  return Checkpoint{n_tokens(), pending_.back(), timeline_->snapshot()};
}

void Session::rollback(const Checkpoint& checkpoint) {
  timeline_->restore(*checkpoint.cache);
  pending_.assign(1, checkpoint.last);
  n_sampled_pending_ = 1;  // counted when it was first read
  logits_valid_ = false;
}

Result<void> Session::rollback(std::int64_t n) {
  if (n < 0 || n > n_tokens()) {
    return Error{
        ErrorCode::kInvalidArgument, "cannot roll back to " + std::to_string(n) + " of " +
                                         std::to_string(n_tokens()) + " tokens"};
  }
  if (n >= timeline_->size()) {
    pending_.resize(static_cast<std::size_t>(n - timeline_->size()));
    n_sampled_pending_ = std::min(n_sampled_pending_, pending_.size());
    logits_valid_ = logits_valid_ && pending_.empty();
    return {};
  }
  if (!timeline_->can_roll_back(n)) {
    return Error{
        ErrorCode::kUnsupported, "the sliding windows no longer reach back to token " + std::to_string(n) +
                                     "; take a checkpoint there"};
  }
  timeline_->rollback(n);
  pending_.clear();
  n_sampled_pending_ = 0;
  logits_valid_ = false;
  return {};
}

}  // namespace toccata::engine
