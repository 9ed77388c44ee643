// What a session has read so far, on the device where it was read: keys, values and the forward pass over them. The one
// seam between sessions and devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/base/token.h"
#include "core/engine/kept_kv.h"
#include "core/engine/model.h"
#include "core/ops/sampling.h"

namespace toccata::engine {

class KvCache;

// What the next token is chosen with; see ops::Sampler. What it points to must live until the token is there.
struct DrawRequest {
  const SamplingParams* params = nullptr;
  std::optional<std::span<const std::uint32_t>> mask;
  int n_legal = 0;
  std::uint64_t counter = 0;
};

// One thread at a time; timelines of one model may be used from different threads.
class Timeline {
 public:
  virtual ~Timeline() = default;
  // Positions held; windowed layers hold the last ones of them.
  virtual std::int64_t size() const = 0;
  // Reads tokens at positions size(), ...: 1 <= n <= Options::chunk_tokens.
  //   logits [n_logits, n_vocab] f32, of the last n_logits tokens
  // Throws Exception(kResourceExhausted) when a device's memory for keys and values is full; nothing was read then.
  virtual void forward(std::span<const Token> tokens, int n_logits, float* logits) = 0;
  // Where tokens are chosen on the device, logits need not come to the host: it keeps those that follow the last tokens.
  virtual bool draws() const { return false; }
  // Reads tokens as forward() does and keeps the logits of the last n_logits; `request`: draws from the first of these, all
  // in one pass.
  virtual std::optional<Result<ops::Draw>> forward_and_draw(std::span<const Token>, int /*n_logits*/, const DrawRequest*) {
    return std::nullopt;
  }
  // From the kept logits that follow the first `size` tokens. Reading on forgets them, a fork has them too, and rollback()
  // keeps those up to where it goes.
  virtual Result<ops::Draw> draw(std::int64_t /*size*/, const DrawRequest&) { return ops::Draw{}; }
  virtual void copy_logits(std::int64_t /*size*/, float*) const {}
  // Guessed tokens that may be read with the next one (drafter.h), and what each costs in passes of one token. None while
  // others read too.
  struct Ahead {
    std::size_t n_max = 0;
    double price = 0;
  };
  virtual Ahead ahead() const = 0;
  // An independent copy that shares what was read.
  virtual std::unique_ptr<Timeline> fork() const = 0;
  // The same for a prefix cache.
  virtual std::shared_ptr<const KeptKv> keep() const = 0;
  // What is needed to come back to the present size, by reference.
  struct Snapshot {
    virtual ~Snapshot() = default;
  };
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
  // `snapshot` is one of this timeline's own or of one that it was forked from.
  virtual void restore(const Snapshot& snapshot) = 0;
  // Whether the windows before position `size` are still held; rollback() needs it.
  virtual bool can_roll_back(std::int64_t size) const = 0;
  virtual void rollback(std::int64_t size) = 0;
  // Bytes of keys and values it refers to, shared ones included.
  virtual std::size_t kv_bytes() const = 0;
  // Its cache, for counting what several share; null on a GPU.
  virtual const KvCache* cpu_cache() const { return nullptr; }
};

// On the device of the model.
std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model);
// With the first n_tokens of what another of the model has kept.
std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model, const KeptKv& kept, std::int64_t n_tokens);
// Of kept ones of the model, which must outlive it.
KvLoader kv_loader(const Model& model);

}  // namespace toccata::engine
