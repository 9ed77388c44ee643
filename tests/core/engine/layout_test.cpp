// The layouts that the kernels read, made from a GGUF's: piece by piece, from any piece boundaries, the bytes that the other
// checkpoint has.
#include "core/engine/cuda/layout.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/f16.h"
#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_blocks.h"

namespace toccata::engine {
namespace {

using toccata::testing::GgufDense;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyGguf;

// All of it, in pieces of about `step` bytes.
std::vector<std::byte> whole(const Pieces& pieces, std::size_t step) {
  std::vector<std::byte> bytes(pieces.bytes);
  step = std::max(pieces.unit, step / pieces.unit * pieces.unit);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    pieces.make(at, std::min(at + step, bytes.size()), bytes.data() + at);
  }
  return bytes;
}
template <class T>
std::vector<std::byte> bytes_of(std::span<const T> values) {
  const auto raw = std::as_bytes(values);
  return {raw.begin(), raw.end()};
}

class LayoutTest : public ::testing::Test {
 protected:
  std::shared_ptr<const model::Weights> from_gguf(GgufDense dense) {
    files_.push_back(std::make_unique<std::vector<std::byte>>(TinyGguf(source_, dense).bytes()));
    return model::load_weights(model::gguf_in_memory("tiny.gguf", *files_.back()).value_or_throw());
  }
  TinyCheckpoint source_;
  std::shared_ptr<const model::Weights> wanted_ = model::load_weights(source_.files());
  std::vector<std::unique_ptr<std::vector<std::byte>>> files_;
};

TEST_F(LayoutTest, ExpertsOfAGgufBecomeTheOtherCheckpointsByteForByte) {
  const auto gguf = from_gguf(GgufDense::kBf16);
  for (std::size_t layer = 0; layer < wanted_->layers.size(); ++layer) {
    const model::LayerWeights &got = gguf->layers[layer], &wanted = wanted_->layers[layer];
    ASSERT_FALSE(got.gate_up.rows.empty());
    for (const std::size_t step : {1U, 100U, 4096U, 1U << 20}) {
      EXPECT_EQ(whole(expert_blocks(got.gate_up), step), bytes_of(wanted.gate_up.blocks)) << step;
      EXPECT_EQ(whole(expert_scales(got.gate_up), step), bytes_of(wanted.gate_up.scales)) << step;
      EXPECT_EQ(whole(expert_blocks(got.down), step), bytes_of(wanted.down.blocks)) << step;
      EXPECT_EQ(whole(expert_scales(got.down), step), bytes_of(wanted.down.scales)) << step;
    }
    EXPECT_EQ(expert_bytes(got.gate_up), expert_bytes(wanted.gate_up));
  }
}

TEST_F(LayoutTest, MatricesThatWereBf16AreAgain) {
  for (const GgufDense dense : {GgufDense::kF32, GgufDense::kBf16}) {
    const auto gguf = from_gguf(dense);
    RoundingError rounding;
    EXPECT_EQ(whole(as_bf16(gguf->layers[1].q, rounding), 100), bytes_of(wanted_->layers[1].q.weight));
    EXPECT_EQ(whole(as_bf16(embedding_of(*gguf), rounding), 100), bytes_of(wanted_->embedding));
    EXPECT_EQ(rounding.worst(), 0);
    EXPECT_EQ(dense_bytes(*gguf), dense_bytes(*wanted_));
  }
}

TEST_F(LayoutTest, QuantizedMatricesAreBf16OfTheirFullSize) {
  TinyCheckpoint source(toccata::testing::kQuantizedShape);
  const auto file = TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/false)).bytes();
  const auto gguf = model::load_weights(model::gguf_in_memory("tiny.gguf", file).value_or_throw());
  const auto same_shape = model::load_weights(source.files());
  RoundingError rounding;
  for (const model::Linear* w : {&gguf->layers[1].q, &gguf->layers[1].output, &gguf->unembedding}) {
    EXPECT_FALSE(stays_q8(*w));
    EXPECT_EQ(whole(as_bf16(*w, rounding), 100), bytes_of(w->weight));
  }
  EXPECT_EQ(whole(as_bf16(embedding_of(*gguf), rounding), 100), bytes_of(gguf->embedding));
  EXPECT_EQ(dense_bytes(*gguf), dense_bytes(*same_shape));
}

TEST_F(LayoutTest, WhatIsNoBf16NumberIsRoundedAndCounted) {
  const std::vector<float> values = {1.0F, 1.00390625F /* 1 + 2^-8 */, -3.0F, 0.0F};
  model::Linear w{.weight = {}, .bias = {}, .n_out = 1, .n_in = 4, .type = model::DenseType::kF32, .packed = std::as_bytes(std::span(values))};
  RoundingError rounding;
  const auto bytes = whole(as_bf16(w, rounding), 2);
  const auto* got = reinterpret_cast<const Bf16*>(bytes.data());
  EXPECT_EQ(to_f32(got[0]), 1.0F);
  EXPECT_EQ(to_f32(got[1]), 1.0F) << "ties go to even";
  EXPECT_EQ(to_f32(got[2]), -3.0F);
  EXPECT_NEAR(rounding.worst(), 0x1p-8, 1e-4);
}

TEST_F(LayoutTest, EightBitsStayEightBits) {
  const auto gguf = from_gguf(GgufDense::kQ8);
  const model::Linear& w = gguf->layers[0].output;
  ASSERT_TRUE(stays_q8(w));
  const auto codes = whole(q8_codes(w), 64);
  const auto scales = whole(q8_scales(w), 6);
  ASSERT_EQ(codes.size() + scales.size(), matrix_bytes(w, true));
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::byte* block = w.packed.data() + i / 32 * model::kQ8Bytes;
    ASSERT_EQ(codes[i], block[2 + i % 32]);
    ASSERT_EQ(scales[i / 32 * 2], block[0]);
    ASSERT_EQ(scales[i / 32 * 2 + 1], block[1]);
  }
  EXPECT_TRUE(qkv_stays_q8(gguf->layers[0]));
  model::LayerWeights mixed = gguf->layers[0];
  mixed.k = wanted_->layers[0].k;
  EXPECT_FALSE(qkv_stays_q8(mixed)) << "they are read by one kernel";
  EXPECT_LT(dense_bytes(*gguf), dense_bytes(*wanted_));
}

}  // namespace
}  // namespace toccata::engine
