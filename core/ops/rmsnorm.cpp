#include "core/ops/rmsnorm.h"

#include <cmath>

#include "core/ops/dot.h"

namespace toccata::ops {

void rmsnorm_cpu(const float* x, std::span<const Bf16> scale, float eps, int n, float* out) {
  const auto width = scale.size();
  const DotKernels& dot = dot_kernels();
  for (int row = 0; row < n; ++row, x += width, out += width) {
    const float mean = dot.f32(x, x, static_cast<int>(width)) / static_cast<float>(width);
    const float factor = 1.0F / std::sqrt(mean + eps);
    for (std::size_t i = 0; i < width; ++i) out[i] = x[i] * factor * to_f32(scale[i]);
  }
}

void rmsnorm(Device device, const float* x, std::span<const Bf16> scale, float eps, int n, float* out) {
  switch (device) {
    case Device::kCpu: return rmsnorm_cpu(x, scale, eps, n, out);
    case Device::kCuda: no_kernel("rmsnorm");
  }
}

}  // namespace toccata::ops
