#pragma once

#include <cstdint>

namespace toccata {

// How the next token is chosen from logits. Applied in the order: temperature, top_k, top_p, min_p, draw.
// The draw is counter based: it depends on (seed, position of the token in its session) and nothing
// else, so the same run gives the same tokens whatever the batch size or thread count.
struct SamplingParams {
  float temperature = 1.0F;  // 0 = greedy: the highest logit, the lower id when equal
  float top_p = 1.0F;        // keep the smallest set of tokens whose probabilities reach top_p; (0, 1]
  int top_k = 0;             // keep the k likeliest; 0 = all
  float min_p = 0.0F;        // drop tokens less likely than min_p times the likeliest; [0, 1)
  std::uint64_t seed = 0;
  friend bool operator==(const SamplingParams&, const SamplingParams&) = default;
};

}  // namespace toccata
