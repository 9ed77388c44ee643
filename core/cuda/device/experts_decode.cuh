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

// A lane's shares of the products of kRows rows with vectors in planes; the warp's sum of a share is the product. All rows'
// blocks are asked for before the first is used. Row r reads planes + r * plane_step.
template <int kRows>
TOCCATA_DEVICE void mxfp4_dot_shares(
    const Experts& w, const std::size_t (&rows)[kRows], const float4* planes, int plane_step, float (&total)[kRows]
) {
  const int n_blocks = w.n_in / 32;
  const uint4* codes = reinterpret_cast<const uint4*>(w.blocks);
  TOCCATA_UNROLL
  for (int r = 0; r < kRows; ++r) total[r] = 0;
  for (int b = static_cast<int>(threadIdx.x % kWarpSize); b < n_blocks; b += kWarpSize) {
    uint4 raw[kRows];
    std::uint8_t scale[kRows];
    TOCCATA_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const std::size_t at = rows[r] * static_cast<std::size_t>(n_blocks) + static_cast<std::size_t>(b);
      raw[r] = codes[at];
      scale[r] = w.scales[at];
    }
    TOCCATA_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const float4* plane = planes + r * plane_step + b;
      const std::uint32_t words[4] = {raw[r].x, raw[r].y, raw[r].z, raw[r].w};
      float sum = 0;
      TOCCATA_UNROLL
      for (int i = 0; i < 4; ++i) {
        float v[8];
        mxfp4_decode8(words[i], v);
        const float4 low = plane[2 * i * n_blocks];
        const float4 high = plane[(2 * i + 1) * n_blocks];
        sum = fmaf(v[0], low.x, sum);
        sum = fmaf(v[1], low.y, sum);
        sum = fmaf(v[2], low.z, sum);
        sum = fmaf(v[3], low.w, sum);
        sum = fmaf(v[4], high.x, sum);
        sum = fmaf(v[5], high.y, sum);
        sum = fmaf(v[6], high.z, sum);
        sum = fmaf(v[7], high.w, sum);
      }
      total[r] = fmaf(sum * kHalfCodeScale, mxfp4_scale(scale[r]), total[r]);
    }
  }
}

// inner[slot] = swiglu(W1 of the slot's expert * m[slot / k] + b1).
//   grid: (intermediate / kExpertWarps rounded up, n * k slots); block: kExpertThreads; shared: hidden floats
//   m [n, hidden], inner [n * k, intermediate] f32; gate and up rows of w alternate
TOCCATA_KERNEL void __launch_bounds__(kExpertThreads)
    gate_up_kernel(const float* m, const int* experts, int k, Experts w, float limit, float* inner) {
  TOCCATA_SHARED(float4, planes);
  await_earlier_launches();
  const std::size_t slot = blockIdx.y;
  load_block_planes(m + slot / static_cast<std::size_t>(k) * static_cast<std::size_t>(w.n_in), w.n_in, planes);
  block_sync();
  const int column = static_cast<int>(blockIdx.x * kExpertWarps + threadIdx.x / kWarpSize);
  if (column >= w.n_out / 2) return;
  const std::size_t row = static_cast<std::size_t>(experts[slot]) * static_cast<std::size_t>(w.n_out) + 2 * static_cast<std::size_t>(column);
  float shares[2];
  mxfp4_dot_shares<2>(w, {row, row + 1}, planes, 0, shares);
  const float gate = warp_sum(shares[0]);
  const float up = warp_sum(shares[1]);
  if (threadIdx.x % kWarpSize != 0) return;
  inner[slot * static_cast<std::size_t>(w.n_out / 2) + static_cast<std::size_t>(column)] =
      swiglu(gate + from_bf16(w.bias[row]), up + from_bf16(w.bias[row + 1]), limit);
}

// x[token] += sum over its k slots, best first, of weight * (W2 of the slot's expert * inner[slot] + b2).
//   grid: (hidden / kExpertWarps rounded up, n tokens); block: kExpertThreads; shared: k * intermediate floats
// Reads `experts` before it waits: the launch that wrote them was complete when the one before this began its work.
TOCCATA_KERNEL void __launch_bounds__(kExpertThreads)
    down_kernel(const float* inner, const int* experts, const float* weights, int k, Experts w, float* x) {
  TOCCATA_SHARED(float4, planes);
  constexpr int kAtOnce = 4;
  const std::size_t token = blockIdx.y;
  const std::size_t first = token * static_cast<std::size_t>(k);
  const int row = static_cast<int>(blockIdx.x * kExpertWarps + threadIdx.x / kWarpSize);
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const std::size_t n_blocks = static_cast<std::size_t>(w.n_in / 32);
  const auto row_of = [&](int rank) {
    const std::size_t expert = static_cast<std::size_t>(experts[first + static_cast<std::size_t>(rank)]);
    return expert * static_cast<std::size_t>(w.n_out) + static_cast<std::size_t>(row);
  };
  if (row < w.n_out) {
    for (int rank = 0; rank < k; ++rank) {
      const std::uint8_t* codes = w.blocks + row_of(rank) * n_blocks * 16;
      for (std::size_t i = static_cast<std::size_t>(lane) * 128; i < n_blocks * 16; i += kWarpSize * 128) prefetch(codes + i);
    }
  }
  await_earlier_launches();
  for (int rank = 0; rank < k; ++rank) {
    load_block_planes(inner + (first + static_cast<std::size_t>(rank)) * static_cast<std::size_t>(w.n_in), w.n_in, planes + rank * w.n_in / 4);
  }
  block_sync();
  if (row >= w.n_out) return;
  float total = 0;
  for (int rank0 = 0; rank0 < k; rank0 += kAtOnce) {
    std::size_t rows[kAtOnce];
    float shares[kAtOnce];
    TOCCATA_UNROLL
    for (int r = 0; r < kAtOnce; ++r) rows[r] = row_of(rank0 + r < k ? rank0 + r : k - 1);
    if (rank0 + kAtOnce <= k) {
      mxfp4_dot_shares<kAtOnce>(w, rows, planes + rank0 * w.n_in / 4, w.n_in / 4, shares);
    } else {
      TOCCATA_UNROLL
      for (int r = 0; r < kAtOnce; ++r) {
        float share[1] = {0};
        if (rank0 + r < k) mxfp4_dot_shares<1>(w, {rows[r]}, planes + (rank0 + r) * w.n_in / 4, 0, share);
        shares[r] = share[0];
      }
    }
    TOCCATA_UNROLL
    for (int r = 0; r < kAtOnce; ++r) {
      if (rank0 + r >= k) break;
      const float value = warp_sum(shares[r]) + from_bf16(w.bias[rows[r]]);
      total = fmaf(weights[first + static_cast<std::size_t>(rank0 + r)], value, total);
    }
  }
  if (lane == 0) x[token * static_cast<std::size_t>(w.n_out) + static_cast<std::size_t>(row)] += total;
}

}  // namespace toccata::cuda
