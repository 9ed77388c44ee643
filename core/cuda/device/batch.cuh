// The small launches of the many-token way: what stands between the matrix products.
#pragma once

#include "core/cuda/device/dense.cuh"

namespace toccata::cuda {

// out = RMS-normed x.   grid: (n tokens); block: kDenseThreads; x, out [n, width] f32
TOCCATA_KERNEL void norm_kernel(const float* x, const std::uint16_t* scale, float eps, int width, float* out) {
  TOCCATA_SHARED(float, scratch);
  const std::size_t offset = blockIdx.x * static_cast<std::size_t>(width);
  float squares = 0;
  for (int i = static_cast<int>(threadIdx.x); i < width; i += static_cast<int>(blockDim.x)) {
    const float v = x[offset + static_cast<std::size_t>(i)];
    squares += v * v;
  }
  const float factor = 1.0F / sqrtf(block_sum(squares, scratch) / static_cast<float>(width) + eps);
  for (int i = static_cast<int>(threadIdx.x); i < width; i += static_cast<int>(blockDim.x)) {
    const std::size_t at = offset + static_cast<std::size_t>(i);
    out[at] = x[at] * factor * from_bf16(scale[i]);
  }
}

// y[t] += bias.   grid: (n tokens); block: any
TOCCATA_KERNEL void bias_kernel(const std::uint16_t* bias, int width, float* y) {
  const std::size_t offset = blockIdx.x * static_cast<std::size_t>(width);
  for (std::size_t i = threadIdx.x; i < static_cast<std::size_t>(width); i += blockDim.x) y[offset + i] += from_bf16(bias[i]);
}

// RoPE on q in place; k turned and v as it is into the cache.
//   grid: (n tokens); block: any; q [n, q_size], k, v [n, kv.row] f32, biases already added
template <class Kv>
TOCCATA_KERNEL void rope_store_kernel(
    const float* cos, const float* sin, BatchView batch, int q_size, int head_dim, const float* k, const float* v,
    KvLayer<Kv> kv, float* q
) {
  const int token = static_cast<int>(blockIdx.x);
  const int position = batch.positions[token];
  const int half = head_dim / 2;
  const float* c = cos + static_cast<std::size_t>(position) * static_cast<std::size_t>(half);
  const float* s = sin + static_cast<std::size_t>(position) * static_cast<std::size_t>(half);
  float* query = q + static_cast<std::size_t>(token) * static_cast<std::size_t>(q_size);
  const float* key = k + static_cast<std::size_t>(token) * static_cast<std::size_t>(kv.row);
  const float* value = v + static_cast<std::size_t>(token) * static_cast<std::size_t>(kv.row);
  Kv* key_out = kv.row_at(batch.sequences[token], position, false);
  Kv* value_out = kv.row_at(batch.sequences[token], position, true);
  for (int pair = static_cast<int>(threadIdx.x); pair < (q_size + kv.row) / 2; pair += static_cast<int>(blockDim.x)) {
    const bool of_query = pair < q_size / 2;
    const int p = of_query ? pair : pair - q_size / 2;
    const int i = p / half * head_dim + p % half;
    const float* from = of_query ? query : key;
    const float a = from[i];
    const float b = from[i + half];
    const float first = a * c[p % half] - b * s[p % half];
    const float second = b * c[p % half] + a * s[p % half];
    if (of_query) {
      query[i] = first;
      query[i + half] = second;
    } else {
      store_kv(key_out + i, first);
      store_kv(key_out + i + half, second);
    }
  }
  for (int i = static_cast<int>(threadIdx.x); i < kv.row; i += static_cast<int>(blockDim.x)) store_kv(value_out + i, value[i]);
}

}  // namespace toccata::cuda
