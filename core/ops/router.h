#pragma once

#include <cstdint>

#include "core/ops/device.h"

namespace toccata::ops {

// Picks k experts for each token.
//   logits   [n, n_experts] f32   output of the router linear, bias included
//   experts  [n, k]         i32   ids, best first; equal logits keep the lower id
//   weights  [n, k]         f32   softmax over the k kept logits (not over all experts); each row sums to 1
// Requires 1 <= k <= n_experts. Source: openai/gpt-oss gpt_oss/torch/model.py, MLPBlock.forward.
void route(
    Device device, const float* logits, int n, int n_experts, int k, std::int32_t* experts, float* weights
);

}  // namespace toccata::ops
