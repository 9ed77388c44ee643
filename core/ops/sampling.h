#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/base/sampling_params.h"
#include "core/base/token.h"

namespace toccata::ops {

// Log-probabilities are natural logs of what the model gives among the allowed tokens: before biases, temperature, cuts.
struct Likely {
  Token token = 0;
  float logprob = 0;
  friend bool operator==(const Likely&, const Likely&) = default;
};

struct Draw {
  Token token = 0;
  float logprob = 0;
  std::vector<Likely> top = {};  // the SamplingParams::n_top likeliest, best first
};

// A uniform number in [0, 1) that depends on (seed, counter) alone. Philox 4x32-10.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
double uniform(std::uint64_t seed, std::uint64_t counter);

// Chooses a token from logits [n_vocab]. See SamplingParams for the order of the cuts. `mask`: one bit a token, a clear
// bit forbids it; ids at or above `n_legal` are never drawn. `counter` is the token's position in its session.
// A logit that is not finite counts as impossible; throws Exception(kCorrupt) when no possible token is allowed.
class Sampler {
 public:
  explicit Sampler(int n_vocab);
  Draw draw(
      std::span<const float> logits, const SamplingParams& params,
      std::optional<std::span<const std::uint32_t>> mask, int n_legal, std::uint64_t counter
  );

 private:
  struct Candidate {
    float logit;
    Token token;
  };
  static bool likelier(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  }
  void change_logits(const SamplingParams& params);
  Token choose(const SamplingParams& params, std::uint64_t counter);
  void keep_typical(float typical_p);
  std::vector<Candidate> candidates_;  // room for the whole vocabulary, taken once
  std::vector<double> probabilities_;
};

}  // namespace toccata::ops
