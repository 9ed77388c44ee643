// Norm, router and top-k of one token in one block.
#pragma once

#include "core/cuda/device/dense.cuh"

namespace toccata::cuda {

//   grid: (n tokens); block: kDenseThreads; shared: router_shared_bytes(hidden, n_experts)
//   x [n, hidden] f32 -> normed [n, hidden] f32, experts [n, k] best first (equal logits: the lower id), weights [n, k]
inline std::size_t router_shared_bytes(int hidden, int n_experts) {
  return dense_shared_bytes(1, hidden) + static_cast<std::size_t>(n_experts + 1) * sizeof(float);
}
TOCCATA_KERNEL void __launch_bounds__(kDenseThreads) route_kernel(
    const float* x, const std::uint16_t* scale, float eps, Dense router, int k, float* normed, int* experts, float* weights
) {
  TOCCATA_SHARED(float4, planes);
  const int hidden = router.n_in;
  float* scratch = reinterpret_cast<float*>(planes + hidden / 4);
  float* logits = scratch + kDenseWarps;
  const std::size_t token = blockIdx.x;
  load_planes(x + token * static_cast<std::size_t>(hidden), scale, eps, hidden, 1, planes, scratch);
  float4* out = reinterpret_cast<float4*>(normed + token * static_cast<std::size_t>(hidden));
  for (int j = static_cast<int>(threadIdx.x); j < hidden / 4; j += kDenseThreads) out[j] = planes[j % 2 * (hidden / 8) + j / 2];

  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  for (int row = 2 * warp; row < router.n_out; row += 2 * kDenseWarps) {
    const int second = row + 1 < router.n_out ? row + 1 : row;
    float a[1];
    float b[1];
    dot_two_rows<1>(router, row, second, planes, a, b);
    if (lane == 0) {
      logits[row] = a[0] + bias_at(router, row);
      logits[second] = b[0] + bias_at(router, second);
    }
  }
  block_sync();
  if (warp != 0) return;
  float highest = 0;
  float total = 0;
  for (int rank = 0; rank < k; ++rank) {
    float best = -INFINITY;
    int id = router.n_out;
    for (int e = lane; e < router.n_out; e += kWarpSize) {
      if (logits[e] > best) {
        best = logits[e];
        id = e;
      }
    }
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
      const float other = shuffle_xor(best, mask);
      const int other_id = shuffle_xor(id, mask);
      if (other > best || (other == best && other_id < id)) {
        best = other;
        id = other_id;
      }
    }
    if (rank == 0) highest = best;
    const float weight = expf(best - highest);
    total += weight;
    if (lane == 0) {
      experts[token * static_cast<std::size_t>(k) + static_cast<std::size_t>(rank)] = id;
      weights[token * static_cast<std::size_t>(k) + static_cast<std::size_t>(rank)] = weight;
      logits[id] = -INFINITY;
    }
    warp_sync();
  }
  for (int rank = lane; rank < k; rank += kWarpSize) weights[token * static_cast<std::size_t>(k) + static_cast<std::size_t>(rank)] /= total;
}

}  // namespace toccata::cuda
