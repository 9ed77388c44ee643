// The same weights from GGUF and from the Hugging Face layout.
#include <gtest/gtest.h>

#include <cmath>

#include "core/engine/session.h"
#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_writer.h"

namespace toccata::engine {
namespace {

using toccata::testing::GgufDense;
using toccata::testing::TinyCheckpoint;
using toccata::testing::TinyGguf;

Tokens some_tokens(int n) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7 + i * i % 11) % 50);
  return tokens;
}

struct Output {
  std::vector<float> logits;
  Tokens greedy;
};

Output run(std::shared_ptr<model::CheckpointFiles> files, bool exact = true) {
  Session session(Model::load(std::move(files), {.n_threads = 2, .chunk_tokens = 16, .exact = exact}));
  session.append(some_tokens(60)).value_or_throw();
  const auto logits = session.logits().value_or_throw();
  Output result{{logits.begin(), logits.end()}, {}};
  for (int i = 0; i < 20; ++i) {
    result.greedy.push_back(session.sample({.temperature = 0}, std::nullopt, 50, {}).value_or_throw().token);
  }
  return result;
}

Output run_gguf(const TinyCheckpoint& source, GgufDense dense, bool exact = true) {
  const auto bytes = TinyGguf(source, dense).bytes();
  return run(model::gguf_in_memory("tiny.gguf", bytes).value_or_throw(), exact);
}

double relative_error(const Output& got, const Output& wanted) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < wanted.logits.size(); ++i) {
    difference += std::pow(got.logits[i] - wanted.logits[i], 2);
    size += std::pow(wanted.logits[i], 2);
  }
  return std::sqrt(difference / size);
}

TEST(GgufSessionTest, Bf16MatricesGiveTheSameBitsAsTheHuggingFaceLayout) {
  TinyCheckpoint source;
  const Output wanted = run(source.files());
  const Output got = run_gguf(source, GgufDense::kBf16);
  EXPECT_EQ(got.logits, wanted.logits);
  EXPECT_EQ(got.greedy, wanted.greedy);
}

// Norms and biases of a GGUF are copies, which must outlive the repacking of the matrices; blocks lie in another order.
TEST(GgufSessionTest, InTheFastModeTooTheBitsAreThoseOfTheHuggingFaceLayout) {
  TinyCheckpoint source;
  const Output wanted = run(source.files(), /*exact=*/false);
  const Output got = run_gguf(source, GgufDense::kBf16, /*exact=*/false);
  EXPECT_EQ(got.logits, wanted.logits);
  EXPECT_EQ(got.greedy, wanted.greedy);
}

// f32 holds bf16 exactly and f16 nearly (8 of its 11 bits, but a shorter exponent): only the order of sums differs.
TEST(GgufSessionTest, F32AndF16MatricesDifferByRoundingOnly) {
  TinyCheckpoint source;
  const Output wanted = run(source.files());
  for (const GgufDense dense : {GgufDense::kF32, GgufDense::kF16}) {
    const Output got = run_gguf(source, dense);
    EXPECT_LT(relative_error(got, wanted), 1e-5);
    EXPECT_EQ(got.greedy, wanted.greedy);
  }
}

// Q8_0 keeps about seven bits: far from another model, not the same either.
TEST(GgufSessionTest, Q8MatricesAreClose) {
  TinyCheckpoint source;
  const double error = relative_error(run_gguf(source, GgufDense::kQ8), run(source.files()));
  EXPECT_LT(error, 0.05);
  EXPECT_GT(error, 1e-6);
}

}  // namespace
}  // namespace toccata::engine
