// The same weights from GGUF and from the Hugging Face layout, on every device.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/engine/session.h"
#include "core/model/gguf_checkpoint.h"
#include "tests/support/gguf_blocks.h"

namespace toccata::engine {
namespace {

using ops::Device;
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

Output run(std::shared_ptr<model::CheckpointFiles> files, const Options& options) {
  Session session(Model::load(std::move(files), options));
  session.append(some_tokens(60)).value_or_throw();
  const auto logits = session.logits().value_or_throw();
  Output result{{logits.begin(), logits.end()}, {}};
  for (int i = 0; i < 20; ++i) {
    result.greedy.push_back(session.sample({.temperature = 0}, std::nullopt, 50, {}).value_or_throw().token);
  }
  return result;
}

Output run_gguf(const TinyCheckpoint& source, GgufDense dense, const Options& options) {
  const auto bytes = TinyGguf(source, dense).bytes();
  return run(model::gguf_in_memory("tiny.gguf", bytes).value_or_throw(), options);
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

class GgufSessionTest : public ::testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    try {
      Model::load(source_.files(), options());
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kUnavailable) throw;
      GTEST_SKIP() << e.what();
    }
  }
  static Options options(bool exact = true) {
    // More than a GPU's exact mode takes at once: prompts go the many-token way there, what is sampled the other.
    return {.device = GetParam(), .n_threads = 2, .chunk_tokens = 16, .exact = exact, .n_sequences = 2};
  }
  TinyCheckpoint source_;
};

TEST_P(GgufSessionTest, Bf16MatricesGiveTheSameBitsAsTheHuggingFaceLayout) {
  const Output wanted = run(source_.files(), options());
  const Output got = run_gguf(source_, GgufDense::kBf16, options());
  EXPECT_EQ(got.logits, wanted.logits);
  EXPECT_EQ(got.greedy, wanted.greedy);
}

// Norms and biases of a GGUF are copies, which must outlive the repacking of the matrices; blocks lie in another order.
TEST_P(GgufSessionTest, InTheFastModeTooTheBitsAreThoseOfTheHuggingFaceLayout) {
  const Output wanted = run(source_.files(), options(/*exact=*/false));
  const Output got = run_gguf(source_, GgufDense::kBf16, options(/*exact=*/false));
  EXPECT_EQ(got.logits, wanted.logits);
  EXPECT_EQ(got.greedy, wanted.greedy);
}

// f32 holds bf16 exactly and f16 nearly (8 of its 11 bits, but a shorter exponent): only the order of sums differs.
TEST_P(GgufSessionTest, F32AndF16MatricesDifferByRoundingOnly) {
  const Output wanted = run(source_.files(), options());
  for (const GgufDense dense : {GgufDense::kF32, GgufDense::kF16}) {
    const Output got = run_gguf(source_, dense, options());
    EXPECT_LT(relative_error(got, wanted), 1e-5);
    EXPECT_EQ(got.greedy, wanted.greedy);
  }
}

// Q8_0 keeps about seven bits: far from another model, not the same either.
TEST_P(GgufSessionTest, Q8MatricesAreClose) {
  const double error = relative_error(run_gguf(source_, GgufDense::kQ8, options()), run(source_.files(), options()));
  EXPECT_LT(error, 0.05);
  EXPECT_GT(error, 1e-6);
}

// Whatever the type, every device computes with the values of the file: the bound is that of sums in another order.
TEST_P(GgufSessionTest, EveryTypeAgreesWithTheExactModeOfTheCpu) {
  Options cpu = options();
  cpu.device = Device::kCpu;
  for (const GgufDense dense : {GgufDense::kBf16, GgufDense::kF32, GgufDense::kF16, GgufDense::kQ8}) {
    const Output wanted = run_gguf(source_, dense, cpu);
    for (const int chunk : {8, 16}) {
      Options here = options();
      here.chunk_tokens = chunk;
      const Output got = run_gguf(source_, dense, here);
      EXPECT_LT(relative_error(got, wanted), 2e-5) << static_cast<int>(dense) << ", chunks of " << chunk;
      EXPECT_EQ(got.greedy, wanted.greedy);
    }
  }
}

// Matrices in eleven formats, and the same ones as the bf16 numbers they are read as.
TEST_P(GgufSessionTest, QuantizedMatricesGiveTheBitsOfTheirValuesInBf16) {
  const TinyCheckpoint source(toccata::testing::kQuantizedShape);
  const auto quantized = TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/false)).bytes();
  const auto plain = TinyGguf(source, toccata::testing::quantized(/*as_bf16=*/true)).bytes();
  for (const bool exact : {true, false}) {
    if (!exact && GetParam() == Device::kCuda) break;  // the emulated device takes its time
    const Output wanted = run(model::gguf_in_memory("tiny.gguf", plain).value_or_throw(), options(exact));
    const Output got = run(model::gguf_in_memory("tiny.gguf", quantized).value_or_throw(), options(exact));
    EXPECT_TRUE(std::ranges::all_of(wanted.logits, [](float x) { return std::isfinite(x); }));
    EXPECT_EQ(got.logits, wanted.logits);
    EXPECT_EQ(got.greedy, wanted.greedy);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Devices, GgufSessionTest, ::testing::Values(Device::kCpu, Device::kCuda),
    [](const auto& test) { return test.param == Device::kCpu ? "Cpu" : "Cuda"; }
);

}  // namespace
}  // namespace toccata::engine
