// Dense layers in bf16 or eight bits for few tokens: every weight is read once from memory, which is what their time is.
//
// A block keeps its token vectors in shared memory, split in two planes of float4 (elements 8j .. 8j+3 and 8j+4 .. 8j+7),
// so that the 32 lanes of a warp read 32 neighbouring float4: no bank conflicts. A warp owns two rows of the matrix.
#pragma once

#include "core/cuda/device/kv.cuh"
#include "core/cuda/platform.cuh"

namespace toccata::cuda {

// y = W x + b: weight [n_out, n_in] bf16, 16-byte aligned, n_in a multiple of 8; bias [n_out] or null. Or in eight bits, as
// GGUF's Q8_0 has them: codes [n_out, n_in] times scales [n_out, n_in / 32] f16, n_in a multiple of 32.
struct Dense {
  const std::uint16_t* weight = nullptr;
  const std::uint16_t* bias = nullptr;
  int n_out = 0, n_in = 0;
  const std::int8_t* codes = nullptr;
  const std::uint16_t* scales = nullptr;
  TOCCATA_BOTH bool q8() const { return codes != nullptr; }
};

inline constexpr int kDenseThreads = 256;
inline constexpr int kDenseWarps = kDenseThreads / kWarpSize;

TOCCATA_DEVICE float bias_at(const Dense& w, int row) { return w.bias != nullptr ? from_bf16(w.bias[row]) : 0.0F; }

// Sum over the block, in every thread. `scratch`: one float a warp. Begins and ends with a barrier.
TOCCATA_DEVICE float block_sum(float value, float* scratch) {
  value = warp_sum(value);
  block_sync();
  if (threadIdx.x % kWarpSize == 0) scratch[threadIdx.x / kWarpSize] = value;
  block_sync();
  float sum = 0;
  for (unsigned w = 0; w < blockDim.x / kWarpSize; ++w) sum += scratch[w];
  return sum;
}

// Token vectors x [n_tokens, width] f32 -> planes; with `scale` [width] bf16 each is RMS-normed on the way.
// `scratch`: one float a warp. Ends with a barrier.
TOCCATA_DEVICE void load_planes(
    const float* x, const std::uint16_t* scale, float eps, int width, int n_tokens, float4* planes, float* scratch
) {
  const int n_vec = width / 8;
  for (int t = 0; t < n_tokens; ++t, x += width, planes += 2 * n_vec) {
    float factor = 1;
    if (scale != nullptr) {
      float squares = 0;
      for (int i = static_cast<int>(threadIdx.x); i < width; i += static_cast<int>(blockDim.x)) squares += x[i] * x[i];
      factor = 1.0F / sqrtf(block_sum(squares, scratch) / static_cast<float>(width) + eps);
    }
    for (int j = static_cast<int>(threadIdx.x); j < 2 * n_vec; j += static_cast<int>(blockDim.x)) {
      float4 v = reinterpret_cast<const float4*>(x)[j];
      if (scale != nullptr) {
        v.x = v.x * factor * from_bf16(scale[4 * j]);
        v.y = v.y * factor * from_bf16(scale[4 * j + 1]);
        v.z = v.z * factor * from_bf16(scale[4 * j + 2]);
        v.w = v.w * factor * from_bf16(scale[4 * j + 3]);
      }
      planes[j % 2 * n_vec + j / 2] = v;
    }
  }
  block_sync();
}

TOCCATA_DEVICE float dot8(const uint4& w, const float4& low, const float4& high, float sum) {
  sum = fmaf(bf16_low(w.x), low.x, sum);
  sum = fmaf(bf16_high(w.x), low.y, sum);
  sum = fmaf(bf16_low(w.y), low.z, sum);
  sum = fmaf(bf16_high(w.y), low.w, sum);
  sum = fmaf(bf16_low(w.z), high.x, sum);
  sum = fmaf(bf16_high(w.z), high.y, sum);
  sum = fmaf(bf16_low(w.w), high.z, sum);
  return fmaf(bf16_high(w.w), high.w, sum);
}

// One of four codes.
TOCCATA_DEVICE float q8_value(std::uint32_t word, int i) { return static_cast<float>(static_cast<std::int8_t>(word >> (8 * i) & 0xFFU)); }
TOCCATA_DEVICE float dot8(const uint2& w, float scale, const float4& low, const float4& high, float sum) {
  float share = q8_value(w.x, 0) * low.x;
  share = fmaf(q8_value(w.x, 1), low.y, share);
  share = fmaf(q8_value(w.x, 2), low.z, share);
  share = fmaf(q8_value(w.x, 3), low.w, share);
  share = fmaf(q8_value(w.y, 0), high.x, share);
  share = fmaf(q8_value(w.y, 1), high.y, share);
  share = fmaf(q8_value(w.y, 2), high.z, share);
  share = fmaf(q8_value(w.y, 3), high.w, share);
  return fmaf(share, scale, sum);
}

// The products of rows a and b with every token vector, in every lane of the warp. The order of the sums depends on
// n_in alone.
template <int kTokens, bool kQ8>
TOCCATA_DEVICE void dot_two_rows(
    const Dense& w, int row_a, int row_b, const float4* planes, float (&a)[kTokens], float (&b)[kTokens]
) {
  const int n_vec = w.n_in / 8;
  const auto stride = static_cast<std::size_t>(n_vec);
  TOCCATA_UNROLL
  for (int t = 0; t < kTokens; ++t) a[t] = b[t] = 0;
  if constexpr (kQ8) {
    const uint2* codes = reinterpret_cast<const uint2*>(w.codes);
    const uint2* at_a = codes + static_cast<std::size_t>(row_a) * stride;
    const uint2* at_b = codes + static_cast<std::size_t>(row_b) * stride;
    const std::uint16_t* scales_a = w.scales + static_cast<std::size_t>(row_a) * (stride / 4);
    const std::uint16_t* scales_b = w.scales + static_cast<std::size_t>(row_b) * (stride / 4);
    for (int j = static_cast<int>(threadIdx.x % kWarpSize); j < n_vec; j += kWarpSize) {
      const uint2 wa = at_a[j];
      const uint2 wb = at_b[j];
      const float scale_a = from_half(scales_a[j / 4]);
      const float scale_b = from_half(scales_b[j / 4]);
      TOCCATA_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const float4 low = planes[2 * t * n_vec + j];
        const float4 high = planes[(2 * t + 1) * n_vec + j];
        a[t] = dot8(wa, scale_a, low, high, a[t]);
        b[t] = dot8(wb, scale_b, low, high, b[t]);
      }
    }
  } else {
    const uint4* weights = reinterpret_cast<const uint4*>(w.weight);
    const uint4* at_a = weights + static_cast<std::size_t>(row_a) * stride;
    const uint4* at_b = weights + static_cast<std::size_t>(row_b) * stride;
    for (int j = static_cast<int>(threadIdx.x % kWarpSize); j < n_vec; j += kWarpSize) {
      const uint4 wa = at_a[j];
      const uint4 wb = at_b[j];
      TOCCATA_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const float4 low = planes[2 * t * n_vec + j];
        const float4 high = planes[(2 * t + 1) * n_vec + j];
        a[t] = dot8(wa, low, high, a[t]);
        b[t] = dot8(wb, low, high, b[t]);
      }
    }
  }
  TOCCATA_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    a[t] = warp_sum(a[t]);
    b[t] = warp_sum(b[t]);
  }
}

inline std::size_t dense_shared_bytes(int n_tokens, int width) {
  return (static_cast<std::size_t>(n_tokens) * static_cast<std::size_t>(width) + kDenseWarps) * sizeof(float);
}

// The lines of two rows that a warp is going to read, on their way into the L2 cache. Weights are never written, so this may
// stand before await_earlier_launches(): memory is kept busy while the launch before drains.
template <bool kQ8>
TOCCATA_DEVICE void prefetch_rows(const Dense& w, int row_a, int row_b) {
  const std::size_t n_in = static_cast<std::size_t>(w.n_in);
  if constexpr (kQ8) {
    for (std::size_t i = threadIdx.x % kWarpSize * 128; i < n_in; i += kWarpSize * 128) {
      prefetch(w.codes + static_cast<std::size_t>(row_a) * n_in + i);
      prefetch(w.codes + static_cast<std::size_t>(row_b) * n_in + i);
    }
    for (std::size_t i = threadIdx.x % kWarpSize * 64; i < n_in / 32; i += kWarpSize * 64) {
      prefetch(w.scales + static_cast<std::size_t>(row_a) * (n_in / 32) + i);
      prefetch(w.scales + static_cast<std::size_t>(row_b) * (n_in / 32) + i);
    }
  } else {
    for (std::size_t i = threadIdx.x % kWarpSize * 64; i < n_in; i += kWarpSize * 64) {
      prefetch(w.weight + static_cast<std::size_t>(row_a) * n_in + i);
      prefetch(w.weight + static_cast<std::size_t>(row_b) * n_in + i);
    }
  }
}

// out = W x + b, or out += W x + b; x normed first when `scale` is given.
//   grid: (n_out / (2 * kDenseWarps) rounded up); block: kDenseThreads; shared: dense_shared_bytes(kTokens, n_in)
//   x [kTokens, n_in], out [n_tokens, n_out] f32, n_tokens <= kTokens
template <int kTokens, bool kAdd, bool kQ8>
TOCCATA_KERNEL void __launch_bounds__(kDenseThreads)
    linear_kernel(const float* x, const std::uint16_t* scale, float eps, Dense w, int n_tokens, float* out) {
  TOCCATA_SHARED(float4, planes);
  float* scratch = reinterpret_cast<float*>(planes + kTokens * w.n_in / 4);
  const int row = static_cast<int>(blockIdx.x * kDenseWarps + threadIdx.x / kWarpSize) * 2;
  const int second = row + 1 < w.n_out ? row + 1 : row;
  if (row < w.n_out) prefetch_rows<kQ8>(w, row, second);
  await_earlier_launches();
  load_planes(x, scale, eps, w.n_in, kTokens, planes, scratch);
  if (row >= w.n_out) return;
  float a[kTokens];
  float b[kTokens];
  dot_two_rows<kTokens, kQ8>(w, row, second, planes, a, b);
  if (threadIdx.x % kWarpSize != 0) return;
  const float bias_a = bias_at(w, row);
  const float bias_b = bias_at(w, second);
  TOCCATA_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    if (t >= n_tokens) break;
    float* y = out + static_cast<std::size_t>(t) * static_cast<std::size_t>(w.n_out);
    y[row] = kAdd ? y[row] + (a[t] + bias_a) : a[t] + bias_a;
    if (second != row) y[second] = kAdd ? y[second] + (b[t] + bias_b) : b[t] + bias_b;
  }
}

// Norm, the three projections, RoPE, and keys and values into the cache, in one launch.
//   grid: (pairs of rows of q, k and v / kDenseWarps rounded up); block and shared as linear_kernel
//   x [kTokens, hidden]; cos, sin [n_context, head_dim / 2]; q [batch.n, q_size] f32, batch.n <= kTokens
// A warp owns the two rows that RoPE turns together: i and i + head_dim / 2 of one head.
struct QkvWeights {
  Dense q, k, v;
  int head_dim = 0;
};
template <int kTokens, class Kv, bool kQ8>
TOCCATA_KERNEL void __launch_bounds__(kDenseThreads) qkv_kernel(
    const float* x, const std::uint16_t* scale, float eps, QkvWeights w, const float* cos, const float* sin,
    BatchView batch, KvLayer<Kv> kv, float* q
) {
  TOCCATA_SHARED(float4, planes);
  float* scratch = reinterpret_cast<float*>(planes + kTokens * w.q.n_in / 4);
  const int half = w.head_dim / 2;
  int pair = static_cast<int>(blockIdx.x * kDenseWarps + threadIdx.x / kWarpSize);
  const int n_q = w.q.n_out / 2;
  const int n_k = w.k.n_out / 2;
  const bool there = pair < n_q + 2 * n_k;
  const bool is_v = pair >= n_q + n_k;
  const bool is_k = pair >= n_q && !is_v;
  // Field by field: a pointer to one of the three would put them all into local memory.
  Dense matrix;
  if constexpr (kQ8) {
    matrix.codes = is_v ? w.v.codes : is_k ? w.k.codes : w.q.codes;
    matrix.scales = is_v ? w.v.scales : is_k ? w.k.scales : w.q.scales;
  } else {
    matrix.weight = is_v ? w.v.weight : is_k ? w.k.weight : w.q.weight;
  }
  matrix.bias = is_v ? w.v.bias : is_k ? w.k.bias : w.q.bias;
  matrix.n_in = w.q.n_in;
  pair -= is_v ? n_q + n_k : is_k ? n_q : 0;
  const int row = pair / half * w.head_dim + pair % half;
  if (there) prefetch_rows<kQ8>(matrix, row, row + half);
  await_earlier_launches();
  load_planes(x, scale, eps, w.q.n_in, kTokens, planes, scratch);
  if (!there) return;
  float a[kTokens];
  float b[kTokens];
  dot_two_rows<kTokens, kQ8>(matrix, row, row + half, planes, a, b);
  if (threadIdx.x % kWarpSize != 0) return;
  const float bias_a = bias_at(matrix, row);
  const float bias_b = bias_at(matrix, row + half);
  TOCCATA_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    if (t >= batch.n) break;
    const int position = batch.positions[t];
    float first = a[t] + bias_a;
    float second = b[t] + bias_b;
    if (!is_v) {
      const std::size_t angle = static_cast<std::size_t>(position) * static_cast<std::size_t>(half) +
                                static_cast<std::size_t>(pair % half);
      const float turned = first * cos[angle] - second * sin[angle];
      second = second * cos[angle] + first * sin[angle];
      first = turned;
    }
    if (!is_v && !is_k) {
      float* out = q + static_cast<std::size_t>(t) * static_cast<std::size_t>(w.q.n_out);
      out[row] = first;
      out[row + half] = second;
    } else {
      Kv* out = kv.row_at(batch.sequences[t], position, is_v);
      store_kv(out + row, first);
      store_kv(out + row + half, second);
    }
  }
}

// x[t] = table[tokens[t]].   grid: (n tokens); block: any
template <bool kQ8>
TOCCATA_KERNEL void embed_kernel(Dense table, const int* tokens, int hidden, float* x) {
  await_earlier_launches();
  const std::size_t width = static_cast<std::size_t>(hidden);
  const std::size_t first = static_cast<std::size_t>(tokens[blockIdx.x]) * width;
  for (std::size_t i = threadIdx.x; i < width; i += blockDim.x) {
    const float value = kQ8 ? static_cast<float>(table.codes[first + i]) * from_half(table.scales[(first + i) / 32])
                            : from_bf16(table.weight[first + i]);
    x[blockIdx.x * width + i] = value;
  }
}

}  // namespace toccata::cuda
