#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "core/base/op_time.h"
#include "core/base/token.h"
#include "core/engine/expert_load.h"
#include "core/engine/kv_cache.h"
#include "core/engine/model.h"
#include "core/ops/experts.h"

namespace toccata::engine {

// Every buffer of a forward pass, sized once for passes of n tokens.
struct Activations {
  Activations(const model::Config& config, int n);
  int n_max;
  std::vector<Token> tokens;     // [n]
  std::vector<float> x;          // [n, hidden]     residual stream
  std::vector<float> normed;     // [n, hidden]     input of attention, of the experts, of the unembedding
  std::vector<float> q;          // [n, q_size]
  std::vector<float> kv;         // [n, kv_size]    keys, then values, on their way into the cache
  std::vector<float> attended;   // [n, q_size]
  std::vector<float> cos, sin;   // [n, head_dim / 2]
  std::vector<float> router;     // [n, n_experts]  logits
  std::vector<std::int32_t> expert_ids;  // [n, k]
  std::vector<float> expert_weights;     // [n, k]
  ops::ExpertScratch experts;
  ops::Int8Rows rounded;  // input of a matrix in the fast mode
  ExpertLoad load;  // of all passes so far
  std::vector<float> logits;  // [rows, n_vocab] when several parts want some; grows to the most there were
  OpClock clock;
};

// The tokens of one sequence in a pass: those at positions cache->size(), ..., which are added to the cache.
struct Part {
  KvCache* cache = nullptr;
  std::span<const Token> tokens;  // [n], n >= 1
  int n_logits = 0;
  float* logits = nullptr;  // [n_logits, n_vocab] f32, of the last n_logits tokens
  std::size_t n_vocab = 0;

  // For the batcher: a beginning of it, and what is left after that.
  Part first(std::size_t n) const {
    Part part = *this;
    part.tokens = tokens.first(n);
    part.n_logits = std::max(0, n_logits - static_cast<int>(tokens.size() - n));
    return part;
  }
  void drop(std::size_t n, int n_written) {
    tokens = tokens.subspan(n);
    n_logits -= n_written;
    logits += static_cast<std::size_t>(n_written) * n_vocab;
  }
};

// Runs the parts through the model together: a weight is read once for all of them. Their caches are distinct; their tokens
// are 1 .. activations.n_max in all.
// The arithmetic of a token depends on its own sequence alone: alone, in a chunk or among others, the bits are the same.
void forward(const Model& model, Activations& activations, std::span<const Part> parts);

}  // namespace toccata::engine
