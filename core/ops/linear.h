#pragma once

#include "core/base/thread_pool.h"
#include "core/model/weights.h"
#include "core/ops/device.h"

namespace toccata::ops {

// out = x W^T + b, or out += x W^T + b.
//   x [n, n_in] f32   W [n_out, n_in]   b [n_out] bf16 or none   out [n, n_out] f32
enum class Store { kAssign, kAdd };
void linear(
    Device device, ThreadPool& threads, const float* x, const model::Linear& w, int n, float* out,
    Store store = Store::kAssign
);

}  // namespace toccata::ops
