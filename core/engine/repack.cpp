#include "core/engine/repack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/f16.h"

namespace toccata::engine {
namespace {

constexpr int kBlock = 32;

std::size_t packed_bytes(const model::Linear& w) {
  if (w.type != model::DenseType::kBf16 || w.n_in % kBlock != 0) return 0;
  return static_cast<std::size_t>(w.n_out) * static_cast<std::size_t>(w.n_in / kBlock) * model::kQ8Bytes;
}

// scale = largest magnitude / 127, rounded to f16; values are rounded to multiples of what the f16 says.
void pack_block(const Bf16* from, std::byte* to) {
  float values[kBlock];
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) {
    values[i] = to_f32(from[i]);
    largest = std::max(largest, std::fabs(values[i]));
  }
  const std::uint16_t half = f32_to_f16(largest / 127);
  const float scale = f16_to_f32(half);
  const float inverse = scale > 0 ? 1 / scale : 0;
  std::memcpy(to, &half, sizeof half);
  for (int i = 0; i < kBlock; ++i) {
    const float q = std::clamp(std::nearbyint(values[i] * inverse), -127.0F, 127.0F);
    to[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
  }
}

void pack(const model::Linear& from, ThreadPool& threads, std::byte* to) {
  const std::size_t blocks = static_cast<std::size_t>(from.n_in / kBlock);
  threads.parallel_for(static_cast<std::size_t>(from.n_out), 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin * blocks; i < end * blocks; ++i) {
      pack_block(from.weight.data() + i * kBlock, to + i * model::kQ8Bytes);
    }
  });
}

// The matrices that are repacked.
std::vector<model::Linear*> dense_of(model::Weights& weights) {
  std::vector<model::Linear*> dense{&weights.unembedding};
  for (model::LayerWeights& layer : weights.layers) {
    for (model::Linear* w : {&layer.q, &layer.k, &layer.v, &layer.output}) dense.push_back(w);
  }
  return dense;
}

}  // namespace

Repacked repack_q8(const model::Weights& weights, ThreadPool& threads) {
  auto fast = std::make_shared<model::Weights>(weights);
  std::size_t total = 0;
  for (const model::Linear* w : dense_of(*fast)) total += packed_bytes(*w);
  Repacked out;
  out.storage.resize(total);
  std::byte* at = out.storage.data();
  for (model::Linear* w : dense_of(*fast)) {
    const std::size_t size = packed_bytes(*w);
    if (size == 0) continue;
    pack(*w, threads, at);
    // A matrix that was dequantised when loaded is not needed any more.
    std::erase_if(fast->made, [&](const auto& made) { return made->data() == w->weight.data(); });
    w->type = model::DenseType::kQ8_0;
    w->packed = {at, size};
    w->weight = {};
    at += size;
  }
  out.weights = std::move(fast);
  return out;
}

}  // namespace toccata::engine
