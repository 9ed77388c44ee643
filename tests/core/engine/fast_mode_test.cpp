// The CPU's 8-bit mode: near the exact one, and as free of accidents.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/f16.h"
#include "core/engine/repack.h"
#include "core/engine/session.h"
#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_blocks.h"

namespace toccata::engine {
namespace {

using toccata::testing::TinyCheckpoint;

Tokens some_tokens(int n) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7 + i * i % 11) % 50);
  return tokens;
}

class FastModeTest : public ::testing::Test {
 protected:
  std::vector<float> logits(bool exact, int n_threads, int chunk, std::size_t step, int n_tokens = 60) {
    checkpoints_.push_back(std::make_unique<TinyCheckpoint>());
    Options options{.n_threads = n_threads, .chunk_tokens = chunk};
    options.exact = exact;
    Session session(Model::load(checkpoints_.back()->files(), options));
    const Tokens tokens = some_tokens(n_tokens);
    for (std::size_t at = 0; at < tokens.size(); at += step) {
      session.append(std::span(tokens).subspan(at, std::min(step, tokens.size() - at))).value_or_throw();
      session.logits().value_or_throw();
    }
    const auto view = session.logits().value_or_throw();
    return {view.begin(), view.end()};
  }
  std::vector<std::unique_ptr<TinyCheckpoint>> checkpoints_;
};

TEST_F(FastModeTest, IsNearTheExactMode) {
  const auto exact = logits(true, 1, 16, 60), fast = logits(false, 1, 16, 60);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    difference += (fast[i] - exact[i]) * (fast[i] - exact[i]);
    size += exact[i] * exact[i];
  }
  const double relative = std::sqrt(difference / size);
  EXPECT_LT(relative, 0.05);
  EXPECT_GT(relative, 1e-6) << "the exact mode ran twice";
}

TEST_F(FastModeTest, NeitherThreadsNorChunksChangeTheBits) {
  const auto alone = logits(false, 1, 16, 60);
  EXPECT_EQ(alone, logits(false, 2, 16, 60));
  EXPECT_EQ(alone, logits(false, 2, 64, 60));
  for (const std::size_t step : {1U, 3U, 5U, 17U}) EXPECT_EQ(alone, logits(false, 2, 16, step)) << "in steps of " << step;
}

TEST_F(FastModeTest, RepackedWeightsAreNearTheOnesTheyCameFrom) {
  TinyCheckpoint checkpoint;
  const auto weights = model::load_weights(checkpoint.files());
  ThreadPool threads(2);
  const Repacked fast = repack_q8(*weights, threads);
  const model::Linear& before = weights->layers[0].q;
  const model::Linear& after = fast.weights->layers[0].q;
  ASSERT_EQ(before.n_in % 32, 0);
  ASSERT_EQ(after.type, model::DenseType::kQ8_0);
  ASSERT_EQ(after.packed.size(), static_cast<std::size_t>(before.n_out * before.n_in / 32) * model::kQ8Bytes);
  for (std::size_t block = 0; block < after.packed.size() / model::kQ8Bytes; ++block) {
    const std::byte* packed = after.packed.data() + block * model::kQ8Bytes;
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(to_f32(before.weight[block * 32 + i])));
    std::uint16_t half = 0;
    std::memcpy(&half, packed, sizeof half);
    for (std::size_t i = 0; i < 32; ++i) {
      const float got = f16_to_f32(half) * static_cast<float>(static_cast<std::int8_t>(packed[2 + i]));
      ASSERT_NEAR(got, to_f32(before.weight[block * 32 + i]), largest / 127 * 0.51F) << "block " << block << ", value " << i;
    }
  }
  EXPECT_EQ(fast.weights->layers[0].router.type, weights->layers[0].router.type);
}

TEST_F(FastModeTest, MatricesThatALoaderDequantisedAreLetGoOfWhenTheyAreRepacked) {
  const TinyCheckpoint source(toccata::testing::kQuantizedShape);
  const auto file = toccata::testing::TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/false)).bytes();
  const auto weights = model::load_weights(model::gguf_in_memory("tiny.gguf", file).value_or_throw());
  ThreadPool threads(2);
  const Repacked fast = repack_q8(*weights, threads);
  const auto& shape = source.shape();
  EXPECT_EQ(fast.weights->made.size(), weights->made.size() - static_cast<std::size_t>(1 + 4 * shape.layers));
  EXPECT_EQ(fast.weights->embedding.data(), weights->embedding.data());
  const auto kept = [&](std::span<const Bf16> values) {
    return std::ranges::any_of(fast.weights->made, [&](const auto& made) { return made->data() == values.data(); });
  };
  EXPECT_TRUE(kept(fast.weights->embedding));
  for (const model::LayerWeights& layer : fast.weights->layers) {
    EXPECT_TRUE(kept(layer.router.weight));
    EXPECT_TRUE(kept(layer.attention_norm));
    EXPECT_TRUE(kept(layer.q.bias));
  }
}

}  // namespace
}  // namespace toccata::engine
