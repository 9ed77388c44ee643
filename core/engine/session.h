// One timeline of tokens over a model. Tokens given to append() are read when the next token is sampled (or when read()
// is called), in chunks; nothing is ever read twice.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "core/base/error.h"
#include "core/base/sampling_params.h"
#include "core/base/token.h"
#include "core/engine/drafter.h"
#include "core/engine/model.h"
#include "core/engine/timeline.h"
#include "core/ops/sampling.h"

namespace toccata::engine {

// Counters of one session.
struct Usage {
  std::int64_t appended = 0;   // tokens given to append()
  std::int64_t prefilled = 0;  // of these, the ones the model has read
  std::int64_t shared = 0;     // and the ones that another session had read: Options::prefix_bytes
  std::int64_t decoded = 0;    // tokens sampled
  std::int64_t guessed = 0;    // tokens read ahead of their being sampled (Options::speculate)
  std::int64_t guessed_right = 0;
};

// A position to come back to, with what the windowed layers need for it.
struct Checkpoint {
  std::int64_t n_tokens = 0;
  Token last = 0;  // not yet read: reading it again gives the logits that follow it
  std::shared_ptr<const Timeline::Snapshot> cache;
};

// One thread at a time.
class Session {
 public:
  explicit Session(std::shared_ptr<const Model> model);
  Session(Session&&) = default;
  Session& operator=(Session&&) = default;

  // kResourceExhausted when the context would overflow, kInvalidArgument for an id outside the vocabulary: nothing is
  // added then.
  Result<void> append(std::span<const Token> tokens);

  // Chooses the next token and adds it. `n_legal`: ids at or above it are never chosen. kCancelled when `stop` was
  // requested, also between the chunks of a prefill; what was read by then stays read. kCorrupt when no logit is finite.
  Result<ops::Draw> sample(
      const SamplingParams& params, std::optional<std::span<const std::uint32_t>> mask, int n_legal,
      std::stop_token stop
  );

  // The logits that follow the timeline, [n_vocab]; valid until the next call. Reads what is pending.
  Result<std::span<const float>> logits(std::stop_token stop = {});

  // An independent copy that shares what was read.
  Session fork() const { return Session(*this); }
  // Reads all pending tokens but the last. kInvalidArgument on an empty timeline.
  Result<Checkpoint> checkpoint(std::stop_token stop = {});
  void rollback(const Checkpoint& checkpoint);
  // To any length, as far as the windows are still held: kUnsupported when they are not.
  Result<void> rollback(std::int64_t n_tokens);

  std::int64_t n_tokens() const { return static_cast<std::int64_t>(tokens_.size()); }
  const Usage& usage() const { return usage_; }
  const Model& model() const { return *model_; }
  std::size_t kv_bytes() const { return timeline_->kv_bytes(); }
  const KvCache* cpu_cache() const { return timeline_->cpu_cache(); }
  // What was read so far, for a prefix cache.
  std::shared_ptr<const KeptKv> keep() const { return timeline_->keep(); }

 private:
  Session(const Session& other);  // fork()
  // Reads tokens until `keep` are unread.
  Result<void> read(std::size_t keep, std::stop_token stop);
  // Whether what is read is of use to sessions that begin alike.
  bool shares() const;
  // Before the first read: what others have read is taken over, and it is settled where to leave something for others.
  void join();
  // After a pass: leaves it there.
  void leave();
  // The same with nothing left unread, on a device that draws: the draw is made in the last pass if there is one.
  Result<ops::Draw> read_and_draw(const DrawRequest& request, std::stop_token stop);
  Result<ops::Draw> draw_here(const DrawRequest& request, std::stop_token stop);
  std::size_t chunk() const;
  // Reads `n` tokens, and after the last one of all what the drafter guesses. `request`: see read_and_draw(). When a device's
  // memory is full it is tried again with ever fewer kept prefixes.
  std::optional<Result<ops::Draw>> pass(std::size_t n, const DrawRequest* request = nullptr);
  std::optional<Result<ops::Draw>> pass_once(std::size_t n, const DrawRequest* request);
  // `n` tokens more are read.
  void count_read(std::size_t n);
  // Whether the model has read it already, because it was guessed.
  bool add(Token token);
  // Takes back what was read ahead and did not come.
  void close_guess();
  // To fewer tokens than are read; the logits there are kept when they are among `rows_`.
  void unread(std::int64_t n_tokens);

  std::size_t n_unread() const { return tokens_.size() - static_cast<std::size_t>(n_read_); }

  std::shared_ptr<const Model> model_;
  std::unique_ptr<Timeline> timeline_;  // n_read_ tokens, and the rest of an open guess
  ops::Sampler sampler_;
  Tokens tokens_;
  std::int64_t n_read_ = 0;
  bool begins_ = true;         // nothing was read so far, or not all of what was appended first
  std::int64_t branch_ = 0;    // PrefixCache::Start
  std::size_t n_sampled_unread_ = 0;  // how many of the unread, at the front, were sampled
  Drafter drafter_;
  Tokens guess_;             // read after `tokens_` as they were then; n_right_ of it have been added since
  std::size_t n_right_ = 0;
  std::vector<float> rows_;  // [1 + guess_.size(), n_vocab]
  std::optional<std::size_t> row_;  // of the logits that follow n_read_ tokens; they may be on the device, see on_device_
  bool on_device_ = false;          // the row is kept there and not in rows_
  Usage usage_;
};

}  // namespace toccata::engine
