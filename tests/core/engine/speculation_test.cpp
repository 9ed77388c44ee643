// Reading guessed tokens ahead changes how many passes there are and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/engine/batcher.h"
#include "core/engine/cuda_device.h"
#include "core/engine/drafter.h"
#include "core/engine/session.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using toccata::testing::TinyCheckpoint;

std::vector<Token> guessed(Drafter& drafter, const Tokens& tokens, std::size_t n_max = 100, double price = 0) {
  const auto guess = drafter.guess(tokens, n_max, price);
  return {guess.begin(), guess.end()};
}

TEST(DrafterTest, TheMostRecentPlaceIsQuoted) {
  Drafter drafter;
  EXPECT_THAT(guessed(drafter, {1, 2, 3, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3}), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(guessed(drafter, {1, 2, 3, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3}, 2), ElementsAre(4, 5));
  EXPECT_THAT(guessed(drafter, {5, 5, 5, 5, 5}), ElementsAre(5)) << "a place may reach into the end";
  EXPECT_THAT(guessed(drafter, {1, 2, 3, 4, 7, 2, 3}), IsEmpty()) << "two tokens are too few";
  EXPECT_THAT(guessed(drafter, {1, 2, 3}), IsEmpty());
  EXPECT_THAT(guessed(drafter, {}), IsEmpty());
}

TEST(DrafterTest, GuessesGrowWhileTheyComeTrueAndAreRareWhileTheyDoNotPay) {
  Tokens tokens;
  for (int round = 0; round < 2; ++round)
    for (Token token = 0; token < 40; ++token) tokens.push_back(token);
  tokens.insert(tokens.end(), {0, 1, 2});
  Drafter drafter;
  EXPECT_EQ(guessed(drafter, tokens).size(), 4U);
  drafter.judge(4, 4);
  EXPECT_EQ(guessed(drafter, tokens).size(), 8U);
  drafter.judge(8, 1);
  EXPECT_EQ(guessed(drafter, tokens).size(), 4U);
  int n_made = 0;
  for (int i = 0; i < 320; ++i) n_made += !guessed(drafter, tokens, 100, 0.9).empty();
  EXPECT_EQ(n_made, 10);
  for (int i = 0; i < 10; ++i) drafter.judge(2, 2);
  EXPECT_EQ(guessed(drafter, tokens, 100, 0.9).size(), 16U);
}

// One body for every device; where there is none, a visible skip.
class SpeculationTest : public ::testing::TestWithParam<std::tuple<ops::Device, bool>> {  // exact
 protected:
  void SetUp() override {
    try {
      load(true);
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kUnavailable) throw;
      GTEST_SKIP() << e.what();
    }
  }
  static bool on_gpu() { return std::get<0>(GetParam()) == ops::Device::kCuda; }
  static std::int64_t passes(const Model& model) { return on_gpu() ? model.cuda()->counts().passes : model.batcher()->counts().passes; }
  std::shared_ptr<const Model> load(bool speculate, std::int64_t n_context = 0) {
    checkpoints_.push_back(std::make_unique<TinyCheckpoint>());
    return Model::load(
        checkpoints_.back()->files(),
        {.device = std::get<0>(GetParam()), .n_threads = 1, .chunk_tokens = on_gpu() ? 8 : 16, .exact = std::get<1>(GetParam()),
         .speculate = speculate, .n_sequences = 8, .n_context = n_context}
    );
  }
  std::vector<std::unique_ptr<TinyCheckpoint>> checkpoints_;  // models read them in place
};

std::vector<float> logits_of(Session& session) {
  const auto view = session.logits().value_or_throw();
  return {view.begin(), view.end()};
}

TEST_P(SpeculationTest, SamplesAndLogitsAreTheSameInFewerPasses) {
  const auto with = load(true), without = load(false);
  for (const float temperature : {0.0F, 0.3F, 1.0F}) {
    Session ahead(with), plain(without);
    Tokens prompt;
    for (int i = 0; i < 60; ++i) prompt.push_back(i % 13);
    ahead.append(prompt).value_or_throw();
    plain.append(prompt).value_or_throw();
    const SamplingParams params{.temperature = temperature, .seed = 11};
    const auto before = passes(*with);
    const int n = on_gpu() ? 50 : 200;
    for (int i = 0; i < n; ++i) {
      const Token token = ahead.sample(params, std::nullopt, 50, {}).value_or_throw().token;
      ASSERT_EQ(plain.sample(params, std::nullopt, 50, {}).value_or_throw().token, token) << i;
    }
    // Those of the prompt, and one for each token that was not guessed.
    EXPECT_LE(passes(*with) - before, (on_gpu() ? 8 : 4) + n - ahead.usage().guessed_right);
    EXPECT_LE(ahead.usage().guessed_right, ahead.usage().guessed);
    EXPECT_EQ(logits_of(ahead), logits_of(plain));
    EXPECT_EQ(ahead.usage().prefilled, plain.usage().prefilled);
    EXPECT_EQ(ahead.usage().decoded, n);
  }
}

// Anything a caller may do between samples, on both at the same time.
TEST_P(SpeculationTest, WhateverIsDoneBetweenTheSamples) {
  const auto with = load(true), without = load(false);
  std::mt19937 random(5);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::int64_t right = 0, guessed = 0;
  for (int round = 0; round < (on_gpu() ? 2 : 30); ++round) {
    auto ahead = std::make_unique<Session>(with), plain = std::make_unique<Session>(without);
    std::optional<std::pair<Checkpoint, Checkpoint>> point;
    for (int action = 0; action < 40; ++action) {
      switch (below(6)) {
        case 0: {
          Tokens more;
          for (int n = 1 + below(6); n > 0; --n) more.push_back(below(4));
          ahead->append(more).value_or_throw();
          plain->append(more).value_or_throw();
          break;
        }
        case 1: {  // what was said is said again, by the caller
          const auto back = std::min<std::int64_t>(below(3), plain->n_tokens());
          const bool can = plain->rollback(plain->n_tokens() - back).ok();
          ASSERT_EQ(ahead->rollback(ahead->n_tokens() - back).ok(), can);
          const Tokens again{below(50)};
          ahead->append(again).value_or_throw();
          plain->append(again).value_or_throw();
          break;
        }
        case 2:
          ahead = std::make_unique<Session>(ahead->fork());
          plain = std::make_unique<Session>(plain->fork());
          break;
        case 3:
          if (auto taken = plain->checkpoint()) {
            point.emplace(ahead->checkpoint().value_or_throw(), *taken);
          } else {
            ASSERT_FALSE(ahead->checkpoint().ok());
          }
          break;
        case 4:
          if (point && point->second.n_tokens <= plain->n_tokens()) {
            ahead->rollback(point->first);
            plain->rollback(point->second);
          }
          break;
        default: break;
      }
      if (plain->n_tokens() == 0) continue;
      for (int n = below(12); n > 0; --n) {
        const auto token = plain->sample({.temperature = 0}, std::nullopt, 50, {});
        const auto same = ahead->sample({.temperature = 0}, std::nullopt, 50, {});
        ASSERT_EQ(token.ok(), same.ok());
        if (token) {
          ASSERT_EQ(token->token, same->token);
          ASSERT_EQ(token->logprob, same->logprob);
        }
      }
      ASSERT_EQ(plain->n_tokens(), ahead->n_tokens());
    }
    right += ahead->usage().guessed_right;
    guessed += ahead->usage().guessed;
    EXPECT_EQ(plain->usage().decoded, ahead->usage().decoded);
    EXPECT_EQ(plain->usage().appended, ahead->usage().appended);
  }
  EXPECT_GT(guessed, 0) << "the first guess costs nothing yet";
  if (!on_gpu()) {
    EXPECT_GT(right, 0) << "small random models repeat themselves";
  }
}

TEST_P(SpeculationTest, AFullContextEndsTheSame) {
  Session session(load(true, 40));
  session.append(Tokens(30, 7)).value_or_throw();
  int n = 0;
  while (session.sample({.temperature = 0}, std::nullopt, 50, {})) ++n;
  EXPECT_EQ(n, 10);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, SpeculationTest, ::testing::Combine(::testing::Values(ops::Device::kCpu, ops::Device::kCuda), ::testing::Bool()),
    [](const auto& test) {
      return std::string(std::get<0>(test.param) == ops::Device::kCpu ? "Cpu_" : "Cuda_") + (std::get<1>(test.param) ? "Exact" : "Fast");
    }
);

}  // namespace
}  // namespace toccata::engine
