#include "core/ops/linear.h"

#include "core/ops/dot.h"

namespace toccata::ops {

void linear_cpu(
    ThreadPool& threads, const float* x, const model::Linear& w, int n, float* out, Store store
) {
  const DotKernels& dot = dot_kernels();
  const auto n_in = static_cast<std::size_t>(w.n_in);
  const auto n_out = static_cast<std::size_t>(w.n_out);
  // Rows of W outside, tokens inside: a row is read from memory once for all tokens.
  threads.parallel_for(n_out, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t o = begin; o < end; ++o) {
      const Bf16* row = w.weight.data() + o * n_in;
      const float bias = w.bias.empty() ? 0.0F : to_f32(w.bias[o]);
      for (std::size_t t = 0; t < static_cast<std::size_t>(n); ++t) {
        const float value = dot.bf16(row, x + t * n_in, w.n_in) + bias;
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
  TOCCATA_CHECK(w.weight.size() == static_cast<std::size_t>(w.n_out) * static_cast<std::size_t>(w.n_in));
  switch (device) {
    case Device::kCpu: return linear_cpu(threads, x, w, n, out, store);
    case Device::kCuda: no_kernel("linear");
  }
}

}  // namespace toccata::ops
