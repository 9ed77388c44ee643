// Weights in the layouts that the kernels read, made piece by piece from a checkpoint's bytes while they are on their way to the
// device: nothing is held twice in host memory.
//
// bf16 matrices and MXFP4 experts of safetensors are there already. Of a GGUF, experts are put in the other order of nibbles and
// rows, without loss; Q8_0 matrices become a plane of int8 and one of scales, without loss; F16, F32 and the Q8_0 of a router
// become bf16, rounded where the value is no bf16 number.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>

#include "core/model/weights.h"

namespace toccata::engine {

// The largest relative error that rounding to bf16 has made, from any number of threads.
class RoundingError {
 public:
  void add(float error);
  float worst() const { return worst_.load(std::memory_order_relaxed); }

 private:
  std::atomic<float> worst_{0};
};

// An array as the device wants it. make(begin, end, to) writes the bytes [begin, end) of it; both are multiples of `unit`.
struct Pieces {
  std::size_t bytes = 0;
  std::size_t unit = 1;
  std::function<void(std::size_t begin, std::size_t end, std::byte* to)> make;
};

Pieces as_it_is(std::span<const std::byte> bytes);
// Any matrix -> [n_out, n_in] bf16. What it points to, and `rounding`, must outlive it.
Pieces as_bf16(const model::Linear& w, RoundingError& rounding);
// Q8_0 -> [n_out, n_in] int8 and [n_out, n_in / 32] f16.
Pieces q8_codes(const model::Linear& w);
Pieces q8_scales(const model::Linear& w);
// Experts of either kind -> the blocks and scales of model::ExpertLinear.
Pieces expert_blocks(const model::ExpertLinear& w);
Pieces expert_scales(const model::ExpertLinear& w);

// Whether a matrix stays in eight bits. Of the three that are read together all do, or none.
bool stays_q8(const model::Linear& w);
bool qkv_stays_q8(const model::LayerWeights& layer);

// The embedding, whichever way the checkpoint holds it.
model::Linear embedding_of(const model::Weights& w);

// Bytes on the device.
std::size_t matrix_bytes(const model::Linear& w, bool q8);  // without the bias
std::size_t dense_bytes(const model::Weights& w);           // all that is neither embedding nor expert
std::size_t expert_bytes(const model::ExpertLinear& w);

}  // namespace toccata::engine
