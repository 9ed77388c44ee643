#pragma once

#include <cstdint>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/model/weights.h"
#include "core/ops/device.h"
#include "core/ops/int8_linear.h"

namespace toccata::ops {

// Which experts each token goes to, and how much each counts: what route() wrote. [n, k]
struct Routing {
  const std::int32_t* experts = nullptr;
  const float* weights = nullptr;
  int n = 0, k = 0;
};

// Room for experts(), sized once for the largest n: nothing is allocated while decoding.
struct ExpertScratch {
  ExpertScratch(int n_max, int k, int n_experts, int intermediate, int hidden);
  std::vector<float> in;                // [n, hidden] the input in the order of the kernels
  std::vector<float> gate_up;           // [n * k, 2 * intermediate]
  std::vector<float> inner;             // [n * k, intermediate]
  std::vector<float> out;               // [n * k, hidden]
  std::vector<std::int32_t> slots;      // [n * k] slots (token * k + rank) ordered by expert
  std::vector<std::int32_t> first_slot;  // [n_experts + 1] where each expert's slots begin
  std::vector<std::int32_t> active;     // experts that have any
  Int8Rows rounded_in, rounded_inner;   // of experts_int8(): [n, hidden], [n * k, intermediate]
};

// x += sum over a token's experts of weight * down(swiglu(gate_up(m))), straight from the packed MXFP4 blocks.
//   m, x [n, hidden] f32
// swiglu: gate clamped above at `limit`, up clamped both ways, gate * sigmoid(1.702 * gate) * (up + 1).
// A token's experts are added best first, whatever else is in the batch.
// Source: openai/gpt-oss gpt_oss/torch/model.py, MLPBlock.forward and swiglu.
void experts(
    Device device, ThreadPool& threads, const float* m, const Routing& routing,
    const model::ExpertLinear& gate_up, const model::ExpertLinear& down, float limit,
    ExpertScratch& scratch, float* x
);

// The same in the fast mode's arithmetic (int8.h), on the CPU. A token's bits do not depend on what else is in the batch.
void experts_int8(
    ThreadPool& threads, const float* m, const Routing& routing, const model::ExpertLinear& gate_up,
    const model::ExpertLinear& down, float limit, ExpertScratch& scratch, float* x
);

}  // namespace toccata::ops
