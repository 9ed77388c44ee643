#pragma once

#include <span>

#include "core/base/bf16.h"
#include "core/ops/device.h"

namespace toccata::ops {

// out = x / sqrt(mean(x^2) + eps) * scale, row by row.
//   x, out [n, width] f32 (may be the same)   scale [width] bf16
// Source: openai/gpt-oss gpt_oss/torch/model.py, RMSNorm.
void rmsnorm(Device device, const float* x, std::span<const Bf16> scale, float eps, int n, float* out);

}  // namespace toccata::ops
