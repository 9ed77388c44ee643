#pragma once

#include <span>
#include <vector>

#include "core/base/token.h"
#include "core/engine/kv_cache.h"
#include "core/engine/model.h"
#include "core/ops/experts.h"

namespace toccata::engine {

// Every buffer of a forward pass, sized once for chunks of n tokens. One per session.
struct Activations {
  Activations(const model::Config& config, int n);
  int n_max;
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
};

// Runs tokens at positions cache.size(), ... through the model and adds them to the cache.
//   tokens [n], 1 <= n <= activations.n_max
//   logits [n_logits, n_vocab] f32, of the last n_logits tokens; may be empty
// The arithmetic of a token does not depend on n: alone or in a chunk, the bits are the same.
void forward(
    const Model& model, KvCache& cache, Activations& activations, std::span<const Token> tokens,
    int n_logits, float* logits
);

}  // namespace toccata::engine
