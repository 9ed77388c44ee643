// The CUDA engine on the emulated device: the same kernels and the same host code that nvcc compiles.
#include "core/engine/cuda_transformer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/engine/cuda_transformer.cu"  // NOLINT: compiled here as C++
#include "tests/support/reference_forward.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using toccata::testing::ReferenceForward;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyShape;

Tokens some_tokens(int n, int n_vocab = 50) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7 + i * i % 11) % n_vocab);
  return tokens;
}

double relative_error(std::span<const float> got, std::span<const double> wanted) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / size);
}

class CudaTransformerTest : public ::testing::Test {
 protected:
  std::unique_ptr<CudaTransformer> make(CudaOptions options = {.n_sequences = 4, .chunk_tokens = 32, .exact = true}) {
    return std::make_unique<CudaTransformer>(model::load_weights(checkpoint_.files()), options);
  }
  // Feeds `tokens` in pieces of `step`; the logits of every position.
  static std::vector<std::vector<float>> feed(
      CudaTransformer& transformer, CudaSequence& sequence, const Tokens& tokens, std::size_t step
  ) {
    std::vector<std::vector<float>> rows;
    for (std::size_t at = 0; at < tokens.size(); at += step) {
      const auto piece = std::span(tokens).subspan(at, std::min(step, tokens.size() - at));
      std::vector<float> logits(piece.size() * kVocab);
      const CudaTransformer::Item item{&sequence, piece, static_cast<int>(piece.size()), logits.data()};
      transformer.forward({&item, 1});
      for (std::size_t i = 0; i < piece.size(); ++i) {
        rows.emplace_back(logits.begin() + static_cast<std::ptrdiff_t>(i * kVocab), logits.begin() + static_cast<std::ptrdiff_t>((i + 1) * kVocab));
      }
    }
    return rows;
  }
  void expect_close(const std::vector<std::vector<float>>& rows, const std::vector<std::vector<double>>& wanted, double bound) {
    ASSERT_EQ(rows.size(), wanted.size());
    for (std::size_t t = 0; t < rows.size(); ++t) EXPECT_LT(relative_error(rows[t], wanted[t]), bound) << "position " << t;
  }

  static constexpr std::size_t kVocab = 50;
  TinyCheckpoint checkpoint_;
};

// f32 throughout; the same bound as the CPU engine's.
TEST_F(CudaTransformerTest, TheDecodeWayAgreesWithTheDoublePrecisionReference) {
  const Tokens tokens = some_tokens(24);  // three windows of 8
  const auto wanted = ReferenceForward(checkpoint_).run(tokens);
  for (const std::size_t step : {1U, 3U, 8U}) {
    auto transformer = make();
    auto sequence = transformer->new_sequence();
    expect_close(feed(*transformer, *sequence, tokens, step), wanted, 1e-5);
  }
}

// Activations in three bf16 parts: 24 bits, a little less than f32.
TEST_F(CudaTransformerTest, TheManyTokenWayAgreesWithTheDoublePrecisionReference) {
  const Tokens tokens = some_tokens(52);
  const auto wanted = ReferenceForward(checkpoint_).run(tokens);
  auto transformer = make();
  auto sequence = transformer->new_sequence();
  expect_close(feed(*transformer, *sequence, tokens, 26), wanted, 2e-5);
}

// Rounding to bf16 flips experts of random weights now and then (the f32 reference and its own bf16 run are 12 % apart on
// such a checkpoint), so only the first positions are held to it.
TEST_F(CudaTransformerTest, TheFastModeIsCloseAtTheStart) {
  const Tokens tokens = some_tokens(3);
  const auto wanted = ReferenceForward(checkpoint_).run(tokens);
  auto transformer = make({.n_sequences = 2, .chunk_tokens = 32});
  auto sequence = transformer->new_sequence();
  expect_close(feed(*transformer, *sequence, tokens, 1), wanted, 0.03);
}

TEST_F(CudaTransformerTest, ATokenGetsTheSameBitsAloneAndInABatch) {
  auto transformer = make();
  const Tokens first = some_tokens(20);
  const Tokens second = {3, 1, 4, 1, 5, 9, 2, 6};
  auto alone = transformer->new_sequence();
  const auto wanted = feed(*transformer, *alone, first, 1);
  auto a = transformer->new_sequence();
  auto b = transformer->new_sequence();
  for (std::size_t t = 0; t < first.size(); ++t) {
    std::vector<float> logits(2 * kVocab);
    const Token other[] = {second[t % second.size()]};
    const CudaTransformer::Item items[] = {
        {b.get(), other, 1, logits.data()}, {a.get(), std::span(first).subspan(t, 1), 1, logits.data() + kVocab}};
    transformer->forward(items);
    EXPECT_TRUE(std::equal(wanted[t].begin(), wanted[t].end(), logits.begin() + kVocab)) << t;
  }
}

TEST_F(CudaTransformerTest, AForkGoesItsOwnWayAndSharesWhatWasRead) {
  auto transformer = make();
  const Tokens prompt = some_tokens(70);  // one page and a piece of the next
  auto parent = transformer->new_sequence();
  feed(*transformer, *parent, prompt, 32);
  const std::size_t before = transformer->memory().kv_used;
  auto child = transformer->fork(*parent);
  EXPECT_EQ(transformer->memory().kv_used, before);
  const Tokens left = {1, 2, 3};
  const Tokens right = {7, 8, 9};
  const auto child_rows = feed(*transformer, *child, left, 1);
  const auto parent_rows = feed(*transformer, *parent, right, 1);
  EXPECT_GT(transformer->memory().kv_used, before) << "pages that were written became the child's own";
  auto fresh = transformer->new_sequence();
  feed(*transformer, *fresh, prompt, 32);
  EXPECT_EQ(feed(*transformer, *fresh, left, 1), child_rows);
  ASSERT_TRUE(transformer->rollback(*fresh, 70));
  EXPECT_EQ(feed(*transformer, *fresh, right, 1), parent_rows);
}

TEST_F(CudaTransformerTest, PagesComeBackWhenSequencesEnd) {
  auto transformer = make();
  {
    auto sequence = transformer->new_sequence();
    feed(*transformer, *sequence, some_tokens(40), 8);
    EXPECT_GT(transformer->memory().kv_used, 0U);
  }
  EXPECT_EQ(transformer->memory().kv_used, 0U);
}

TEST_F(CudaTransformerTest, ARingRemembersHowFarBackItReaches) {
  auto transformer = make();
  auto sequence = transformer->new_sequence();
  feed(*transformer, *sequence, some_tokens(96), 32);
  EXPECT_FALSE(transformer->rollback(*sequence, 10)) << "its window was overwritten";
  EXPECT_EQ(sequence->size(), 96);
  EXPECT_TRUE(transformer->rollback(*sequence, 90));
  EXPECT_EQ(sequence->size(), 90);
}

TEST_F(CudaTransformerTest, AFullCacheIsSaidAndHurtsNobody) {
  auto transformer = make({.n_sequences = 1, .kv_bytes = std::size_t{1} << 19, .chunk_tokens = 32, .exact = true});
  auto sequence = transformer->new_sequence();
  std::int64_t held = 0;
  try {
    feed(*transformer, *sequence, some_tokens(4), 4);
    held = sequence->size();
    std::vector<std::unique_ptr<CudaSequence>> more;
    for (int i = 0; i < 100; ++i) {
      more.push_back(transformer->new_sequence());
      feed(*transformer, *more.back(), some_tokens(1), 1);
    }
    FAIL() << "there is no end to the memory";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResourceExhausted);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("KV cache"));
  }
  EXPECT_EQ(sequence->size(), held);
}

TEST(CudaShapeTest, RefusesWhatTheKernelsDoNotHave) {
  TinyCheckpoint odd(TinyShape{.head_dim = 8});
  try {
    const CudaTransformer transformer(model::load_weights(odd.files()), {});
    FAIL() << "head size 8 was taken";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("head size of 8"));
  }
}

// The shape of gpt-oss in what the kernels care about: 8 query heads a key head of 64, k = 4, more experts than a warp,
// widths that fill no tile.
TEST(CudaShapeTest, TheGroupAndHeadSizeOfGptOss) {
  TinyCheckpoint checkpoint(TinyShape{
      .layers = 2, .experts = 40, .experts_per_token = 4, .hidden = 96, .intermediate = 32, .heads = 16, .kv_heads = 2,
      .head_dim = 64, .vocab = 51, .window = 16});
  const Tokens tokens = some_tokens(20, 51);
  const auto wanted = ReferenceForward(checkpoint).run(tokens);
  CudaTransformer transformer(model::load_weights(checkpoint.files()), {.n_sequences = 2, .chunk_tokens = 32, .exact = true});
  auto sequence = transformer.new_sequence();
  std::vector<float> logits(tokens.size() * 51);
  const CudaTransformer::Item first{sequence.get(), std::span(tokens).first(18), 18, logits.data()};
  transformer.forward({&first, 1});
  const CudaTransformer::Item second{sequence.get(), std::span(tokens).last(2), 2, logits.data() + 18 * 51};
  transformer.forward({&second, 1});
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    EXPECT_LT(relative_error(std::span(logits).subspan(t * 51, 51), wanted[t]), 2e-5) << t;
  }
}

}  // namespace
}  // namespace toccata::engine
