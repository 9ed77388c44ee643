#include "core/ops/linear.h"

#include "core/ops/dot.h"

namespace toccata::ops {
namespace {

float row_dot(const DotKernels& dot, const model::Linear& w, std::size_t row, const float* x) {
  const auto n_in = static_cast<std::size_t>(w.n_in);
  switch (w.type) {
    case model::DenseType::kBf16: return dot.bf16(w.weight.data() + row * n_in, x, w.n_in);
    case model::DenseType::kF16: return dot.f16(w.packed.data() + row * n_in * 2, x, w.n_in);
    case model::DenseType::kQ8_0:
      return dot.q8(w.packed.data() + row * (n_in / 32) * model::kQ8Bytes, x, w.n_in / 32);
    case model::DenseType::kF32:
      return dot.f32(reinterpret_cast<const float*>(w.packed.data()) + row * n_in, x, w.n_in);
  }
  return 0;
}

// Bytes of W by its shape and type.
std::size_t expected_bytes(const model::Linear& w) {
  const auto values = static_cast<std::size_t>(w.n_out) * static_cast<std::size_t>(w.n_in);
  switch (w.type) {
    case model::DenseType::kBf16:
    case model::DenseType::kF16: return values * 2;
    case model::DenseType::kF32: return values * 4;
    case model::DenseType::kQ8_0: return values / 32 * model::kQ8Bytes;
  }
  return 0;
}

}  // namespace

void linear_cpu(
    ThreadPool& threads, const float* x, const model::Linear& w, int n, float* out, Store store
) {
  const DotKernels& dot = dot_kernels();
  const auto n_in = static_cast<std::size_t>(w.n_in);
  const auto n_out = static_cast<std::size_t>(w.n_out);
  // Rows of W outside, tokens inside: a row is read from memory once for all tokens.
  threads.parallel_for(n_out, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t o = begin; o < end; ++o) {
      const float bias = w.bias.empty() ? 0.0F : to_f32(w.bias[o]);
      for (std::size_t t = 0; t < static_cast<std::size_t>(n); ++t) {
        const float value = row_dot(dot, w, o, x + t * n_in) + bias;
        float& y = out[t * n_out + o];
        y = store == Store::kAdd ? y + value : value;
      }
    }
  });
}

void linear(
    Device device, ThreadPool& threads, const float* x, const model::Linear& w, int n, float* out,
    Store store
) {
  const bool bf16 = w.type == model::DenseType::kBf16;
  TOCCATA_CHECK((bf16 ? w.weight.size_bytes() : w.packed.size()) == expected_bytes(w));
  switch (device) {
    case Device::kCpu: return linear_cpu(threads, x, w, n, out, store);
    case Device::kCuda: no_kernel("linear");
  }
}

}  // namespace toccata::ops
