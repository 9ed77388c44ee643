#include "core/engine/cuda/layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/f16.h"

namespace toccata::engine {
namespace {

constexpr std::size_t kBlock = 32;  // values of a block of Q8_0 or MXFP4
constexpr std::size_t kCodeBytes = 16;

std::size_t values_of(const model::Linear& w) { return static_cast<std::size_t>(w.n_out) * static_cast<std::size_t>(w.n_in); }
std::size_t blocks_of(const model::ExpertLinear& w) {
  return static_cast<std::size_t>(w.n_experts) * static_cast<std::size_t>(w.n_out) * static_cast<std::size_t>(w.n_in) / kBlock;
}

template <class T>
T value_at(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float value_of(const model::Linear& w, std::size_t i) {
  switch (w.type) {
    case model::DenseType::kBf16: return to_f32(w.weight[i]);
    case model::DenseType::kF32: return value_at<float>(w.packed.data() + i * sizeof(float));
    case model::DenseType::kF16: return f16_to_f32(value_at<std::uint16_t>(w.packed.data() + i * sizeof(std::uint16_t)));
    case model::DenseType::kQ8_0: {
      const std::byte* block = w.packed.data() + i / kBlock * model::kQ8Bytes;
      return static_cast<float>(static_cast<std::int8_t>(block[2 + i % kBlock])) * f16_to_f32(value_at<std::uint16_t>(block));
    }
  }
  return 0;
}

// Where a GGUF has block `b` of the order (expert, row, column).
const std::uint8_t* gguf_block(const model::ExpertLinear& w, std::size_t b) {
  const std::size_t a_row = static_cast<std::size_t>(w.n_in) / kBlock;
  const std::size_t row = b / a_row;  // of all experts; gate and up alternate, and an expert has as many of one as of the other
  if (w.odd_rows.empty()) return w.rows.data() + b * model::kGgufMxfp4Bytes;
  const std::uint8_t* rows = row % 2 == 0 ? w.rows.data() : w.odd_rows.data();
  return rows + (row / 2 * a_row + b % a_row) * model::kGgufMxfp4Bytes;
}

}  // namespace

void RoundingError::add(float error) {
  float worst = worst_.load(std::memory_order_relaxed);
  while (error > worst && !worst_.compare_exchange_weak(worst, error, std::memory_order_relaxed)) {
  }
}

Pieces as_it_is(std::span<const std::byte> bytes) {
  return {bytes.size(), 1, [bytes](std::size_t begin, std::size_t end, std::byte* to) {
            if (end > begin) std::memcpy(to, bytes.data() + begin, end - begin);
          }};
}

Pieces as_bf16(const model::Linear& w, RoundingError& rounding) {
  if (w.type == model::DenseType::kBf16) return as_it_is(std::as_bytes(w.weight));
  return {values_of(w) * sizeof(Bf16), sizeof(Bf16), [&w, &rounding](std::size_t begin, std::size_t end, std::byte* to) {
            float worst = 0;
            for (std::size_t i = begin / sizeof(Bf16); i < end / sizeof(Bf16); ++i, to += sizeof(Bf16)) {
              const float value = value_of(w, i);
              const Bf16 rounded = to_bf16(value);
              if (to_f32(rounded) != value && value != 0) worst = std::max(worst, std::fabs((to_f32(rounded) - value) / value));
              std::memcpy(to, &rounded, sizeof rounded);
            }
            rounding.add(worst);
          }};
}

Pieces q8_codes(const model::Linear& w) {
  return {values_of(w), kBlock, [packed = w.packed.data()](std::size_t begin, std::size_t end, std::byte* to) {
            for (std::size_t b = begin / kBlock; b < end / kBlock; ++b, to += kBlock) {
              std::memcpy(to, packed + b * model::kQ8Bytes + 2, kBlock);
            }
          }};
}

Pieces q8_scales(const model::Linear& w) {
  return {values_of(w) / kBlock * 2, 2, [packed = w.packed.data()](std::size_t begin, std::size_t end, std::byte* to) {
            for (std::size_t b = begin / 2; b < end / 2; ++b, to += 2) std::memcpy(to, packed + b * model::kQ8Bytes, 2);
          }};
}

// A GGUF's byte j has values j and j + 16; ours 2j and 2j + 1.
Pieces expert_blocks(const model::ExpertLinear& w) {
  if (w.rows.empty()) return as_it_is(std::as_bytes(w.blocks));
  return {blocks_of(w) * kCodeBytes, kCodeBytes, [&w](std::size_t begin, std::size_t end, std::byte* to) {
            for (std::size_t b = begin / kCodeBytes; b < end / kCodeBytes; ++b, to += kCodeBytes) {
              const std::uint8_t* from = gguf_block(w, b) + 1;
              for (std::size_t j = 0; j < kCodeBytes / 2; ++j) {
                const unsigned first = from[2 * j], second = from[2 * j + 1];
                to[j] = static_cast<std::byte>((first & 15U) | (second & 15U) << 4);
                to[j + kCodeBytes / 2] = static_cast<std::byte>(first >> 4 | (second & 0xF0U));
              }
            }
          }};
}

Pieces expert_scales(const model::ExpertLinear& w) {
  if (w.rows.empty()) return as_it_is(std::as_bytes(w.scales));
  return {blocks_of(w), 1, [&w](std::size_t begin, std::size_t end, std::byte* to) {
            for (std::size_t b = begin; b < end; ++b) *to++ = static_cast<std::byte>(*gguf_block(w, b));
          }};
}

bool stays_q8(const model::Linear& w) { return w.type == model::DenseType::kQ8_0; }
bool qkv_stays_q8(const model::LayerWeights& layer) { return stays_q8(layer.q) && stays_q8(layer.k) && stays_q8(layer.v); }

model::Linear embedding_of(const model::Weights& w) {
  if (w.embedding.empty()) return w.embedding_rows;
  model::Linear table;
  table.weight = w.embedding;
  table.n_out = w.config.n_vocab;
  table.n_in = w.config.hidden;
  return table;
}

std::size_t matrix_bytes(const model::Linear& w, bool q8) {
  return q8 ? values_of(w) + values_of(w) / kBlock * 2 : values_of(w) * sizeof(Bf16);
}

std::size_t dense_bytes(const model::Weights& w) {
  std::size_t n = w.norm.size_bytes() + matrix_bytes(w.unembedding, stays_q8(w.unembedding));
  for (const model::LayerWeights& l : w.layers) {
    n += l.attention_norm.size_bytes() + l.sinks.size_bytes() + l.mlp_norm.size_bytes();
    for (const model::Linear* one : {&l.q, &l.k, &l.v}) n += matrix_bytes(*one, qkv_stays_q8(l)) + one->bias.size_bytes();
    n += matrix_bytes(l.output, stays_q8(l.output)) + l.output.bias.size_bytes();
    n += matrix_bytes(l.router, false) + l.router.bias.size_bytes();
  }
  return n;
}

std::size_t expert_bytes(const model::ExpertLinear& w) { return blocks_of(w) * (kCodeBytes + 1) + w.bias.size_bytes(); }

}  // namespace toccata::engine
