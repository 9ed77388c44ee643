#include "core/engine/session.h"

#include <algorithm>

#include "core/engine/batcher.h"
#include "core/engine/prefix_cache.h"

namespace toccata::engine {
namespace {

Error cancelled() { return Error{ErrorCode::kCancelled, "stopped"}; }
Error empty() { return Error{ErrorCode::kInvalidArgument, "an empty session has no next token: append a prompt"}; }
Error no_row() { return Error{ErrorCode::kInvalidArgument, "after a rollback something must be appended first"}; }

}  // namespace

Session::Session(std::shared_ptr<const Model> model)
    : model_(std::move(model)), timeline_(open_timeline(model_)), sampler_(model_->config().n_vocab) {}

Session::Session(const Session& other)
    : model_(other.model_),
      timeline_(other.timeline_->fork()),
      sampler_(other.sampler_),
      tokens_(other.tokens_),
      n_read_(other.n_read_),
      begins_(other.begins_),
      branch_(other.branch_),
      n_sampled_unread_(other.n_sampled_unread_),
      drafter_(other.drafter_),
      usage_(other.usage_) {
  if (timeline_->size() > n_read_) timeline_->rollback(n_read_);
  if (!other.row_) return;
  row_ = 0;
  on_device_ = other.on_device_;
  if (on_device_) return;
  const auto n_vocab = static_cast<std::ptrdiff_t>(model_->config().n_vocab);
  const auto begin = other.rows_.begin() + static_cast<std::ptrdiff_t>(*other.row_) * n_vocab;
  rows_.assign(begin, begin + n_vocab);
}

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
  tokens_.reserve(tokens_.size() + tokens.size());
  for (const Token token : tokens) usage_.prefilled += add(token);
  usage_.appended += static_cast<std::int64_t>(tokens.size());
  return {};
}

bool Session::add(Token token) {
  const bool guessed = n_right_ < guess_.size() && guess_[n_right_] == token;
  if (!guessed) close_guess();
  tokens_.push_back(token);
  if (!guessed) return false;
  ++n_right_;
  ++n_read_;
  ++*row_;
  ++usage_.guessed_right;
  if (n_right_ == guess_.size()) close_guess();
  return true;
}

void Session::close_guess() {
  if (guess_.empty()) return;
  drafter_.judge(guess_.size(), n_right_);
  if (timeline_->size() > n_read_) timeline_->rollback(n_read_);
  guess_.clear();
  n_right_ = 0;
}

std::optional<Result<ops::Draw>> Session::pass(std::size_t n, const DrawRequest* request) {
  for (;;) {
    try {
      return pass_once(n, request);
    } catch (const Exception& failure) {
      const auto read = static_cast<std::size_t>(timeline_->size() - n_read_);  // a beginning
      count_read(read);
      n -= read;
      const bool full = failure.code() == ErrorCode::kResourceExhausted;
      if (!full || model_->prefixes() == nullptr || !model_->prefixes()->forget_oldest()) throw;
    }
  }
}

std::optional<Result<ops::Draw>> Session::pass_once(std::size_t n, const DrawRequest* request) {
  const auto n_vocab = static_cast<std::size_t>(model_->config().n_vocab);
  std::span<const Token> input = std::span(tokens_).subspan(static_cast<std::size_t>(n_read_), n);
  const bool last = n == n_unread();
  Tokens ahead;
  if (last && n == 1 && n_sampled_unread_ == 1 && model_->options().speculate) {
    const Timeline::Ahead may = timeline_->ahead();
    const auto room = std::min(may.n_max, static_cast<std::size_t>(model_->n_context() - n_tokens()));
    const auto guess = drafter_.guess(tokens_, room, may.price);
    ahead.assign(guess.begin(), guess.end());
    usage_.guessed += static_cast<std::int64_t>(ahead.size());
  }
  Tokens both;
  if (!ahead.empty()) {
    both.assign(input.begin(), input.end());
    both.insert(both.end(), ahead.begin(), ahead.end());
    input = both;
  }
  const std::size_t n_rows = last ? 1 + ahead.size() : 0;
  row_.reset();
  on_device_ = last && timeline_->draws();
  if (!on_device_ && rows_.size() < n_rows * n_vocab) rows_.resize(n_rows * n_vocab);
  std::optional<Result<ops::Draw>> draw;
  if (on_device_) {
    draw = timeline_->forward_and_draw(input, static_cast<int>(n_rows), request);
  } else {
    timeline_->forward(input, static_cast<int>(n_rows), rows_.data());
  }
  guess_ = std::move(ahead);
  n_right_ = 0;
  if (last) row_ = 0;
  count_read(n);
  return draw;
}

void Session::count_read(std::size_t n) {
  const std::size_t sampled = std::min(n, n_sampled_unread_);
  n_sampled_unread_ -= sampled;
  n_read_ += static_cast<std::int64_t>(n);
  usage_.prefilled += static_cast<std::int64_t>(n - sampled);
}

std::size_t Session::chunk() const {
  if (model_->batcher() != nullptr) return model_->batcher()->prompt_chunk();
  return static_cast<std::size_t>(model_->options().chunk_tokens);
}

bool Session::shares() const { return begins_ && model_->prefixes() != nullptr; }

void Session::join() {
  if (n_read_ > 0 || !shares()) return;
  PrefixCache::Start start = model_->prefixes()->begin(tokens_);
  branch_ = start.branch;
  if (start.kept == nullptr) return;
  timeline_ = open_timeline(model_, *start.kept, start.n_tokens);
  n_read_ = start.n_tokens;
  usage_.shared += start.n_tokens;
}

void Session::leave() {
  if (!shares()) return;
  const bool at_branch = branch_ > 0 && n_read_ == branch_;
  if (!at_branch && n_unread() > 1) return;
  if (at_branch) branch_ = 0;
  if (n_unread() <= 1) begins_ = false;
  if (timeline_->size() != n_read_) return;
  model_->prefixes()->keep(std::span(tokens_).first(static_cast<std::size_t>(n_read_)), timeline_->keep(), n_read_ - usage_.shared);
}

Result<void> Session::read(std::size_t keep, std::stop_token stop) {
  if (n_unread() > keep) join();
  while (n_unread() > keep) {
    if (stop.stop_requested()) return cancelled();
    try {
      std::size_t n = std::min(n_unread() - keep, chunk());
      if (branch_ > n_read_) n = std::min(n, static_cast<std::size_t>(branch_ - n_read_));
      pass(n);
      leave();
    } catch (const Exception& failure) {  // a device that is full, or gone
      return failure.error();
    }
  }
  return {};
}

Result<std::span<const float>> Session::logits(std::stop_token stop) {
  if (n_tokens() == 0) {
    return empty();
  }
  if (auto done = read(0, std::move(stop)); !done) return done.error();
  if (!row_) {
    return no_row();
  }
  const auto n_vocab = static_cast<std::size_t>(model_->config().n_vocab);
  if (on_device_) {
    if (rows_.size() < n_vocab) rows_.resize(n_vocab);
    try {
      timeline_->copy_logits(n_read_, rows_.data());
    } catch (const Exception& failure) {
      return failure.error();
    }
    return std::span<const float>(rows_).first(n_vocab);
  }
  return std::span<const float>(rows_).subspan(*row_ * n_vocab, n_vocab);
}

Result<ops::Draw> Session::read_and_draw(const DrawRequest& request, std::stop_token stop) {
  if (n_tokens() == 0) return empty();
  try {
    join();
  } catch (const Exception& failure) {
    return failure.error();
  }
  std::size_t last = std::min(n_unread(), chunk());
  if (branch_ > n_read_) last = std::min(last, static_cast<std::size_t>(n_tokens() - branch_));
  if (auto done = read(last, stop); !done) return done.error();
  if (stop.stop_requested()) return cancelled();
  try {
    if (n_unread() > 0) {
      auto draw = pass(n_unread(), &request);
      leave();
      if (draw) return std::move(*draw);
    }
    if (!row_) return no_row();
    return timeline_->draw(n_read_, request);
  } catch (const Exception& failure) {
    return failure.error();
  }
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
  const DrawRequest request{&params, mask, n_legal, static_cast<std::uint64_t>(n_tokens())};
  auto draw = timeline_->draws() ? read_and_draw(request, std::move(stop)) : draw_here(request, std::move(stop));
  if (!draw) return draw;
  n_sampled_unread_ = add(draw->token) ? 0 : 1;
  ++usage_.decoded;
  return draw;
}

Result<ops::Draw> Session::draw_here(const DrawRequest& request, std::stop_token stop) {
  const auto scores = logits(std::move(stop));
  if (!scores) return scores.error();
  try {
    return sampler_.draw(*scores, *request.params, request.mask, request.n_legal, request.counter);
  } catch (const Exception& failure) {  // no logit is a number
    return failure.error();
  }
}

Result<Checkpoint> Session::checkpoint(std::stop_token stop) {
  if (n_tokens() == 0) {
    return Error{ErrorCode::kInvalidArgument, "an empty session has no checkpoint"};
  }
  if (n_unread() == 0) {
    if (row_.value_or(0) == 0) {
      return Error{ErrorCode::kInvalidArgument, "a checkpoint is taken after append() or sample()"};
    }
    unread(n_tokens() - 1);  // it was guessed
    n_sampled_unread_ = 1;
  }
  if (auto done = read(1, std::move(stop)); !done) return done.error();
  return Checkpoint{n_tokens(), tokens_.back(), timeline_->snapshot()};
}

void Session::unread(std::int64_t n) {
  const auto back = static_cast<std::size_t>(n_read_ - n);
  row_ = row_ && back <= *row_ ? std::optional(*row_ - back) : std::nullopt;
  guess_.clear();
  n_right_ = 0;
  timeline_->rollback(n);
  n_read_ = n;
  n_sampled_unread_ = 0;
}

void Session::rollback(const Checkpoint& checkpoint) {
  guess_.clear();
  n_right_ = 0;
  timeline_->restore(*checkpoint.cache);
  tokens_.resize(static_cast<std::size_t>(checkpoint.n_tokens));
  tokens_.back() = checkpoint.last;
  n_read_ = checkpoint.n_tokens - 1;
  n_sampled_unread_ = 1;  // counted when it was first read
  row_.reset();
}

Result<void> Session::rollback(std::int64_t n) {
  if (n < 0 || n > n_tokens()) {
    return Error{
        ErrorCode::kInvalidArgument, "cannot roll back to " + std::to_string(n) + " of " +
                                         std::to_string(n_tokens()) + " tokens"};
  }
  if (n < n_read_) {
    if (!timeline_->can_roll_back(n)) {
      return Error{
          ErrorCode::kUnsupported, "the sliding windows no longer reach back to token " + std::to_string(n) +
                                       "; take a checkpoint there"};
    }
    unread(n);
  }
  tokens_.resize(static_cast<std::size_t>(n));
  n_sampled_unread_ = std::min(n_sampled_unread_, n_unread());
  return {};
}

}  // namespace toccata::engine
