#include "core/ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace toccata::ops {

RopeTable RopeTable::make(const model::Config& config) {
  const int half = config.head_dim / 2;
  RopeTable table;
  if (config.rope_factor > 1) {
    table.concentration = static_cast<float>(0.1 * std::log(config.rope_factor) + 1);
  }
  // The dimension whose wavelength makes `turns` turns over the original context.
  const auto bound = [&](double turns) {
    return half * std::log(config.initial_context / (turns * 2 * std::numbers::pi)) /
           std::log(config.rope_theta);
  };
  // A short original context would put them outside the head: kept inside, as transformers does.
  const double low = std::max(bound(config.rope_beta), 0.0);
  const double high = std::max(std::min(bound(config.rope_alpha), config.head_dim - 1.0), low + 0.001);
  for (int i = 0; i < half; ++i) {
    const double plain = std::pow(config.rope_theta, -static_cast<double>(i) / half);
    const double ramp = config.rope_factor > 1 ? std::clamp((i - low) / (high - low), 0.0, 1.0) : 0;
    table.frequency.push_back(plain / config.rope_factor * ramp + plain * (1 - ramp));
  }
  return table;
}

void RopeTable::angles(std::int64_t first, int n, float* cos, float* sin) const {
  std::size_t k = 0;
  for (int t = 0; t < n; ++t) {
    for (const double f : frequency) {
      const double angle = static_cast<double>(first + t) * f;
      cos[k] = static_cast<float>(std::cos(angle)) * concentration;
      sin[k] = static_cast<float>(std::sin(angle)) * concentration;
      ++k;
    }
  }
}

void rope_cpu(const float* cos, const float* sin, int n, int n_heads, int head_dim, float* x) {
  const int half = head_dim / 2;
  for (int t = 0; t < n; ++t, cos += half, sin += half) {
    for (int head = 0; head < n_heads; ++head, x += head_dim) {
      for (int i = 0; i < half; ++i) {
        const float a = x[i];
        const float b = x[i + half];
        x[i] = a * cos[i] - b * sin[i];
        x[i + half] = b * cos[i] + a * sin[i];
      }
    }
  }
}

void rope(
    Device device, const float* cos, const float* sin, int n, int n_heads, int head_dim, float* x
) {
  TOCCATA_CHECK(head_dim % 2 == 0);
  switch (device) {
    case Device::kCpu: return rope_cpu(cos, sin, n, n_heads, head_dim, x);
    case Device::kCuda: no_kernel("rope");
  }
}

}  // namespace toccata::ops
