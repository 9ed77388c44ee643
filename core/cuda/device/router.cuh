// Norm, router and top-k. A token's rows of the router are spread over blocks: one would take as long to read 128 of them
// as all others together take for a layer's attention weights.
#pragma once

#include "core/cuda/device/dense.cuh"

namespace toccata::cuda {

inline constexpr int kRouterThreads = 128;
inline constexpr int kRouterRows = 2 * kRouterThreads / kWarpSize;  // of the router, a block

//   grid: (n_experts / kRouterRows rounded up, n tokens); block: kRouterThreads; shared: router_shared_bytes(hidden, n_experts)
//   x [n, hidden] f32 -> normed [n, hidden] f32, experts [n, k] best first (equal logits: the lower id), weights [n, k]
//   logits [n, n_experts] and arrivals [n] (zero before and after): between the blocks of a token, the last of which chooses
inline std::size_t router_shared_bytes(int hidden, int n_experts) {
  return dense_shared_bytes(1, hidden) + static_cast<std::size_t>(n_experts + 1) * sizeof(float);
}
TOCCATA_KERNEL void __launch_bounds__(kRouterThreads) route_kernel(
    const float* x, const std::uint16_t* scale, float eps, Dense router, int k, float* normed, float* all_logits,
    int* arrivals, int* experts, float* weights
) {
  TOCCATA_SHARED(float4, planes);
  const int hidden = router.n_in;
  float* scratch = reinterpret_cast<float*>(planes + hidden / 4);
  float* logits = scratch + kDenseWarps;
  int* is_last = reinterpret_cast<int*>(logits + router.n_out);
  const std::size_t token = blockIdx.y;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int row = static_cast<int>(blockIdx.x) * kRouterRows + 2 * warp;
  const int second = row + 1 < router.n_out ? row + 1 : row;
  if (row < router.n_out) prefetch_rows<false>(router, row, second);
  await_earlier_launches();
  load_planes(x + token * static_cast<std::size_t>(hidden), scale, eps, hidden, 1, planes, scratch);
  if (blockIdx.x == 0) {
    float4* out = reinterpret_cast<float4*>(normed + token * static_cast<std::size_t>(hidden));
    for (int j = static_cast<int>(threadIdx.x); j < hidden / 4; j += kRouterThreads) out[j] = planes[j % 2 * (hidden / 8) + j / 2];
  }
  float* of_token = all_logits + token * static_cast<std::size_t>(router.n_out);
  if (row < router.n_out) {
    float a[1];
    float b[1];
    dot_two_rows<1, false>(router, row, second, planes, a, b);
    if (lane == 0) {
      of_token[row] = a[0] + bias_at(router, row);
      if (second != row) of_token[second] = b[0] + bias_at(router, second);
      memory_fence();
    }
  }
  block_sync();
  if (threadIdx.x == 0) *is_last = atomic_add(arrivals + token, 1) + 1 == static_cast<int>(gridDim.x);
  block_sync();
  if (*is_last == 0 || warp != 0) return;
  memory_fence();
  if (lane == 0) arrivals[token] = 0;
  for (int e = lane; e < router.n_out; e += kWarpSize) logits[e] = load_from_others(of_token + e);
  warp_sync();
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
