// The experts of few tokens, straight from the packed blocks: every byte of the chosen experts is read once a token.
//
// Token vectors stand in shared memory in eight planes of float4: plane p holds elements 32b + 4p .. 32b + 4p + 3 of
// every block b, so that 32 lanes working on 32 neighbouring blocks read 32 neighbouring float4.
#pragma once

#include "core/cuda/device/mxfp4.cuh"

namespace toccata::cuda {

inline constexpr int kExpertThreads = 256;
inline constexpr int kExpertWarps = kExpertThreads / kWarpSize;

TOCCATA_DEVICE void load_block_planes(const float* x, int width, float4* planes) {
  const int n_blocks = width / 32;
  for (int j = static_cast<int>(threadIdx.x); j < width / 4; j += static_cast<int>(blockDim.x)) {
    planes[j % 8 * n_blocks + j / 8] = reinterpret_cast<const float4*>(x)[j];
  }
}

// A lane's share of the product of a row with a vector in planes; the warp's sum is the product.
TOCCATA_DEVICE float mxfp4_dot_share(const Experts& w, std::size_t row, const float4* planes) {
  const int n_blocks = w.n_in / 32;
  const uint4* codes = reinterpret_cast<const uint4*>(w.blocks) + row * static_cast<std::size_t>(n_blocks);
  const std::uint8_t* scales = w.scales + row * static_cast<std::size_t>(n_blocks);
  float total = 0;
  for (int b = static_cast<int>(threadIdx.x % kWarpSize); b < n_blocks; b += kWarpSize) {
    const uint4 raw = codes[b];
    const std::uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
    float sum = 0;
    TOCCATA_UNROLL
    for (int i = 0; i < 4; ++i) {
      float v[8];
      mxfp4_decode8(words[i], v);
      const float4 low = planes[2 * i * n_blocks + b];
      const float4 high = planes[(2 * i + 1) * n_blocks + b];
      sum = fmaf(v[0], low.x, sum);
      sum = fmaf(v[1], low.y, sum);
      sum = fmaf(v[2], low.z, sum);
      sum = fmaf(v[3], low.w, sum);
      sum = fmaf(v[4], high.x, sum);
      sum = fmaf(v[5], high.y, sum);
      sum = fmaf(v[6], high.z, sum);
      sum = fmaf(v[7], high.w, sum);
    }
    total = fmaf(sum * kHalfCodeScale, mxfp4_scale(scales[b]), total);
  }
  return total;
}

// inner[slot] = swiglu(W1 of the slot's expert * m[slot / k] + b1).
//   grid: (intermediate / kExpertWarps rounded up, n * k slots); block: kExpertThreads; shared: hidden floats
//   m [n, hidden], inner [n * k, intermediate] f32; gate and up rows of w alternate
TOCCATA_KERNEL void __launch_bounds__(kExpertThreads)
    gate_up_kernel(const float* m, const int* experts, int k, Experts w, float limit, float* inner) {
  TOCCATA_SHARED(float4, planes);
  const std::size_t slot = blockIdx.y;
  load_block_planes(m + slot / static_cast<std::size_t>(k) * static_cast<std::size_t>(w.n_in), w.n_in, planes);
  block_sync();
  const int column = static_cast<int>(blockIdx.x * kExpertWarps + threadIdx.x / kWarpSize);
  if (column >= w.n_out / 2) return;
  const std::size_t row = static_cast<std::size_t>(experts[slot]) * static_cast<std::size_t>(w.n_out) + 2 * static_cast<std::size_t>(column);
  const float gate = warp_sum(mxfp4_dot_share(w, row, planes));
  const float up = warp_sum(mxfp4_dot_share(w, row + 1, planes));
  if (threadIdx.x % kWarpSize != 0) return;
  inner[slot * static_cast<std::size_t>(w.n_out / 2) + static_cast<std::size_t>(column)] =
      swiglu(gate + from_bf16(w.bias[row]), up + from_bf16(w.bias[row + 1]), limit);
}

// x[token] += sum over its k slots, best first, of weight * (W2 of the slot's expert * inner[slot] + b2).
//   grid: (hidden / kExpertWarps rounded up, n tokens); block: kExpertThreads; shared: k * intermediate floats
TOCCATA_KERNEL void __launch_bounds__(kExpertThreads)
    down_kernel(const float* inner, const int* experts, const float* weights, int k, Experts w, float* x) {
  TOCCATA_SHARED(float4, planes);
  const std::size_t token = blockIdx.y;
  const std::size_t first = token * static_cast<std::size_t>(k);
  for (int rank = 0; rank < k; ++rank) {
    load_block_planes(inner + (first + static_cast<std::size_t>(rank)) * static_cast<std::size_t>(w.n_in), w.n_in, planes + rank * w.n_in / 4);
  }
  block_sync();
  const int row = static_cast<int>(blockIdx.x * kExpertWarps + threadIdx.x / kWarpSize);
  if (row >= w.n_out) return;
  float total = 0;
  for (int rank = 0; rank < k; ++rank) {
    const std::size_t slot = first + static_cast<std::size_t>(rank);
    const std::size_t at = static_cast<std::size_t>(experts[slot]) * static_cast<std::size_t>(w.n_out) + static_cast<std::size_t>(row);
    const float value = warp_sum(mxfp4_dot_share(w, at, planes + rank * w.n_in / 4)) + from_bf16(w.bias[at]);
    total = fmaf(weights[slot], value, total);
  }
  if (threadIdx.x % kWarpSize == 0) x[token * static_cast<std::size_t>(w.n_out) + static_cast<std::size_t>(row)] += total;
}

}  // namespace toccata::cuda
