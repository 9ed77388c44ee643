// Rotary position embedding with YaRN, bounds unrounded.
// Source: openai/gpt-oss gpt_oss/torch/model.py, RotaryEmbedding; bounds outside the head: transformers, modeling_rope_utils.py.
#pragma once

#include <cstdint>
#include <vector>

#include "core/model/config.h"
#include "core/ops/device.h"

namespace toccata::ops {

struct RopeTable {
  std::vector<double> frequency;  // [head_dim / 2] radians a position
  float concentration = 1;        // multiplies cos and sin, so scores carry its square

  static RopeTable make(const model::Config& config);

  // cos and sin of positions first .. first + n - 1, each [n, head_dim / 2] f32, concentration included.
  void angles(std::int64_t first, int n, float* cos, float* sin) const;
};

// Turns the heads of x in place; element i of a head is paired with element i + head_dim / 2.
//   x [n, n_heads, head_dim] f32   cos, sin [n, head_dim / 2] f32
void rope(Device device, const float* cos, const float* sin, int n, int n_heads, int head_dim, float* x);

}  // namespace toccata::ops
