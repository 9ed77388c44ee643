#include "core/ops/router.h"

#include <algorithm>
#include <cmath>

namespace toccata::ops {
namespace {

void softmax(float* x, int n) {
  const float top = *std::max_element(x, x + n);
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
  for (int i = 0; i < n; ++i) x[i] /= sum;
}

}  // namespace

void route_cpu(const float* logits, int n, int n_experts, int k, std::int32_t* experts, float* weights) {
  for (int t = 0; t < n; ++t, logits += n_experts, experts += k, weights += k) {
    for (int rank = 0; rank < k; ++rank) {
      int best = -1;
      for (int e = 0; e < n_experts; ++e) {
        if (std::find(experts, experts + rank, e) != experts + rank) continue;
        if (best < 0 || logits[e] > logits[best]) best = e;
      }
      experts[rank] = best;
      weights[rank] = logits[best];
    }
    softmax(weights, k);
  }
}

void route(
    Device device, const float* logits, int n, int n_experts, int k, std::int32_t* experts, float* weights
) {
  TOCCATA_CHECK(1 <= k && k <= n_experts);
  switch (device) {
    case Device::kCpu: return route_cpu(logits, n, n_experts, k, experts, weights);
    case Device::kCuda: no_kernel("route");
  }
}

}  // namespace toccata::ops
