#include "core/engine/cuda/placement.h"

#include <algorithm>
#include <cstdio>

namespace toccata::engine {
namespace {

std::string gigabytes(std::size_t bytes) {
  char text[32];
  const double n = static_cast<double>(bytes);
  std::snprintf(text, sizeof text, n < 1e8 ? "%.2f MB" : "%.1f GB", n < 1e8 ? n / 1e6 : n / 1e9);
  return text;
}

}  // namespace

Result<Placement> plan_placement(const PlacementNeeds& n) {
  const auto layers = static_cast<std::size_t>(n.n_layers);
  Placement plan;
  const std::size_t all = n.embedding + n.dense + layers * n.layer_experts;
  if (all + n.kv_least <= n.free) {
    plan.expert_layers_on_device = n.n_layers;
    plan.device_weights = all;
    plan.kv_bytes = std::min(n.kv_wanted, n.free - all);
    return plan;
  }
  plan.embedding_on_device = false;
  plan.host_weights = n.embedding;
  plan.device_weights = n.dense;
  const std::size_t kv = std::min(n.kv_wanted, std::max(n.kv_least, n.free / 8));
  if (n.dense + kv + layers * n.layer_experts <= n.free) {
    plan.expert_layers_on_device = n.n_layers;
  } else {
    plan.staging = true;
    const std::size_t needed = n.dense + n.layer_experts + std::min(kv, n.kv_least);
    if (needed > n.free) {
      return Error{
          ErrorCode::kResourceExhausted,
          "the GPU has " + gigabytes(n.free) + " free; the dense layers (" + gigabytes(n.dense) +
              "), room for the experts of one layer (" + gigabytes(n.layer_experts) + ") and the least of keys and values (" +
              gigabytes(n.kv_least) + ") need " + gigabytes(needed) + ": use --device cpu, or free memory on the card"};
    }
    const std::size_t kept = n.dense + n.layer_experts + kv;
    const std::size_t room = n.free > kept ? n.free - kept : 0;
    plan.expert_layers_on_device = static_cast<int>(std::min(layers, room / std::max<std::size_t>(n.layer_experts, 1)));
  }
  const auto here = static_cast<std::size_t>(plan.expert_layers_on_device);
  plan.device_weights += here * n.layer_experts;
  plan.host_weights += (layers - here) * n.layer_experts;
  const std::size_t taken = plan.device_weights + (plan.staging ? n.layer_experts : 0);
  plan.kv_bytes = std::min(n.kv_wanted, n.free - taken);
  return plan;
}

std::string Placement::describe(const PlacementNeeds& needs) const {
  const std::string kv = gigabytes(kv_bytes) + " for keys and values";
  if (host_weights == 0) return "all weights on the GPU (" + gigabytes(device_weights) + "), " + kv;
  std::string text = "weights on the GPU: " + gigabytes(device_weights) + ", in host memory: " + gigabytes(host_weights) + " (";
  const int away = needs.n_layers - expert_layers_on_device;
  if (!embedding_on_device) text += away > 0 ? "the embedding, " : "the embedding";
  if (away > 0) text += "experts of " + std::to_string(away) + " of " + std::to_string(needs.n_layers) + " layers";
  return text + "); " + kv + "; " + gigabytes(needs.free) + " were free";
}

}  // namespace toccata::engine
