#pragma once

#include <cstdint>
#include <vector>

#include "core/base/token.h"

namespace toccata {

struct LogitBias {
  Token token = 0;
  float bias = 0;  // added to the token's logit
  friend bool operator==(const LogitBias&, const LogitBias&) = default;
};

// How the next token is chosen from logits. Applied in the order: repetition, logit_bias, temperature, top_k, top_p, min_p,
// typical_p, draw. The draw is counter based: it depends on (seed, position of the token in its session) and nothing
// else, so the same run gives the same tokens whatever the batch size or thread count.
struct SamplingParams {
  float temperature = 1.0F;  // 0 = greedy: the highest logit, the lower id when equal
  float top_p = 1.0F;        // keep the smallest set of tokens whose probabilities reach top_p; (0, 1]
  int top_k = 0;             // keep the k likeliest; 0 = all
  float min_p = 0.0F;        // drop tokens less likely than min_p times the likeliest; [0, 1)
  // Keep the tokens whose surprise is nearest to the expected one, until their probabilities reach typical_p; (0, 1].
  // Source: Meister et al., "Locally typical sampling", TACL 2023.
  float typical_p = 1.0F;
  std::uint64_t seed = 0;
  std::vector<LogitBias> logit_bias = {};  // each token once
  // The logits of these tokens are divided by `repetition` when positive, else multiplied by it; 1 = off.
  // Source: Keskar et al., "CTRL", 2019.
  std::vector<Token> repeated = {};
  float repetition = 1.0F;
  int n_top = 0;  // also tell the likeliest tokens, as the model sees them
  friend bool operator==(const SamplingParams&, const SamplingParams&) = default;
};

}  // namespace toccata
