// The penalties of the OpenAI API on what a completion has said before, as changes of logits.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/base/sampling_params.h"

namespace toccata::server {

// Of the tokens sampled for this request: `presence` once and `frequency` for each time are taken off a token's logit.
struct Penalties {
  float presence = 0, frequency = 0;
  float repetition = 1;  // see SamplingParams
  bool any() const { return presence != 0 || frequency != 0 || repetition != 1; }
};

// The parameters of the next token.
class PenalizedSampling {
 public:
  PenalizedSampling(SamplingParams params, const Penalties& penalties)
      : params_(std::move(params)), penalties_(penalties) {
    params_.repetition = penalties.repetition;
    for (std::size_t i = 0; i < params_.logit_bias.size(); ++i) bias_of_.emplace(params_.logit_bias[i].token, i);
  }
  const SamplingParams& params() const { return params_; }

  void observe(Token token) {
    if (!penalties_.any()) return;
    const auto [seen, first] = bias_of_.try_emplace(token, params_.logit_bias.size());
    if (first) params_.logit_bias.push_back({token, 0});
    const bool repeated = !said_.insert(token).second;
    if (!repeated && penalties_.repetition != 1) params_.repeated.push_back(token);
    params_.logit_bias[seen->second].bias -= penalties_.frequency + (repeated ? 0 : penalties_.presence);
  }

 private:
  SamplingParams params_;
  Penalties penalties_;
  std::unordered_map<Token, std::size_t> bias_of_;  // where a token stands in logit_bias
  std::unordered_set<Token> said_;
};

}  // namespace toccata::server
