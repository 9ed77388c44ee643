// Sessions that begin alike read what they share once, and never notice.
#include "core/engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "core/engine/session.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::engine {
namespace {

using toccata::testing::TinyCheckpoint;

constexpr std::size_t kPlenty = std::size_t{64} << 20;

// One body for every device; where there is none, a visible skip.
class PrefixCacheTest : public ::testing::TestWithParam<ops::Device> {
 protected:
  void SetUp() override {
    try {
      load(0);
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kUnavailable) throw;
      GTEST_SKIP() << e.what();
    }
  }
  std::shared_ptr<const Model> load(std::size_t bytes, int chunk = 16) {
    checkpoints_.push_back(std::make_unique<TinyCheckpoint>());
    // The exact mode of a GPU takes few tokens at a time.
    Options options{.device = GetParam(), .n_threads = 1, .chunk_tokens = on_gpu() ? 8 : chunk, .n_sequences = 8};
    options.prefix_bytes = bytes;
    return Model::load(checkpoints_.back()->files(), options);
  }
  static bool on_gpu() { return GetParam() == ops::Device::kCuda; }
  Tokens random_tokens(int n) {
    Tokens tokens;
    for (int i = 0; i < n; ++i) tokens.push_back(static_cast<Token>(random_() % 50));
    return tokens;
  }
  static Tokens joined(Tokens a, const Tokens& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  static std::vector<float> logits_of(Session& session) {
    const auto view = session.logits().value_or_throw();
    return {view.begin(), view.end()};
  }
  // What a session that shares nothing says after `tokens`.
  std::vector<float> alone(const Tokens& tokens) {
    if (quiet_ == nullptr) quiet_ = load(0);
    Session session(quiet_);
    session.append(tokens).value_or_throw();
    return logits_of(session);
  }
  // Appends, and checks the logits and the sum of the counters. How many tokens were taken over.
  std::int64_t shared(const std::shared_ptr<const Model>& model, const Tokens& tokens) {
    Session session(model);
    session.append(tokens).value_or_throw();
    EXPECT_EQ(logits_of(session), alone(tokens));
    EXPECT_EQ(session.usage().prefilled + session.usage().shared, session.usage().appended);
    return session.usage().shared;
  }

  std::vector<std::unique_ptr<TinyCheckpoint>> checkpoints_;  // models read them in place
  std::shared_ptr<const Model> quiet_;
  std::mt19937 random_{5};
};

TEST_P(PrefixCacheTest, TheSameBeginningIsReadOnce) {
  const auto model = load(kPlenty);
  const Tokens system = random_tokens(200);
  EXPECT_EQ(shared(model, joined(system, random_tokens(10))), 0);
  EXPECT_EQ(shared(model, joined(system, random_tokens(12))), 200) << "by taking the end of the first one back";
  EXPECT_EQ(shared(model, random_tokens(300)), 0);
}

// The ring of this model holds 64 positions for a window of 8: beyond 57 tokens nothing can be taken back.
TEST_P(PrefixCacheTest, ABranchFarBackIsKeptByTheSecondThatPasses) {
  const auto model = load(kPlenty);
  const Tokens system = random_tokens(150);
  EXPECT_EQ(shared(model, joined(system, random_tokens(100))), 0);
  EXPECT_EQ(shared(model, joined(system, random_tokens(100))), 0);
  EXPECT_EQ(shared(model, joined(system, random_tokens(100))), 150);
}

TEST_P(PrefixCacheTest, TheWholePromptAgainIsOneTokenOfReading) {
  const auto model = load(kPlenty);
  const Tokens prompt = random_tokens(120);
  shared(model, prompt);
  EXPECT_EQ(shared(model, prompt), 119);
  Session longer(model);
  longer.append(joined(prompt, random_tokens(40))).value_or_throw();
  longer.logits().value_or_throw();
  EXPECT_EQ(longer.usage().shared, 120);
}

TEST_P(PrefixCacheTest, WhatFollowsTheFirstReadIsTheSessionsOwn) {
  const auto model = load(kPlenty);
  const Tokens prompt = random_tokens(100), question = random_tokens(50);
  Session first(model);
  first.append(prompt).value_or_throw();
  const Checkpoint here = first.checkpoint().value_or_throw();
  first.append(question).value_or_throw();
  first.logits().value_or_throw();
  EXPECT_EQ(model->prefixes()->size(), 1U);
  Session second(model);
  second.append(prompt).value_or_throw();
  second.logits().value_or_throw();
  first.rollback(here);
  first.append(random_tokens(60)).value_or_throw();  // over the same pages
  first.logits().value_or_throw();
  second.append(question).value_or_throw();
  EXPECT_EQ(logits_of(second), alone(joined(prompt, question)));
  EXPECT_EQ(second.usage().shared, 99);
}

TEST_P(PrefixCacheTest, StaysWithinItsBytesAndForgetsTheLeastUsed) {
  const auto model = load(200'000);
  const Tokens favourite = random_tokens(100);
  shared(model, favourite);
  for (int i = 0; i < (on_gpu() ? 3 : 20); ++i) {
    shared(model, random_tokens(100));
    EXPECT_EQ(shared(model, joined(favourite, random_tokens(3))), i == 0 ? 99 + 1 : 100) << i;
    EXPECT_LE(model->prefixes()->bytes(), 200'000U);
  }
  EXPECT_GE(model->prefixes()->size(), 2U);
  const auto tiny = load(1000);
  EXPECT_EQ(shared(tiny, favourite), 0);
  EXPECT_EQ(shared(tiny, favourite), 0) << "there is no room for it";
}

TEST_P(PrefixCacheTest, ShortBeginningsAreNotKept) {
  const auto model = load(kPlenty);
  const Tokens prompt = random_tokens(31);
  shared(model, prompt);
  EXPECT_EQ(shared(model, prompt), 0);
  EXPECT_EQ(model->prefixes()->size(), 0U);
}

// Random prompts over a few roots: each session's logits are those of a session that shares nothing.
TEST_P(PrefixCacheTest, RandomFamiliesReadTheSame) {
  const auto model = load(300'000, 32);
  std::vector<Tokens> roots;
  for (int i = 0; i < 3; ++i) roots.push_back(random_tokens(40 + static_cast<int>(random_() % 100)));
  std::int64_t taken = 0;
  for (int i = 0; i < (on_gpu() ? 7 : 40); ++i) {
    const Tokens& root = roots[random_() % 3];
    const auto cut = 20 + static_cast<std::ptrdiff_t>(random_() % (root.size() - 20));
    Tokens prompt(root.begin(), random_() % 2 == 0 ? root.end() : root.begin() + cut);
    taken += shared(model, joined(prompt, random_tokens(1 + static_cast<int>(random_() % 90))));
    if (::testing::Test::HasFailure()) return;
    roots[random_() % 3] = joined(prompt, random_tokens(30));
  }
  EXPECT_GT(taken, on_gpu() ? 20 : 500);
}

// A device that draws reads a prompt and chooses the first token in one pass: what it shares is the same.
TEST_P(PrefixCacheTest, SamplingSharesAsLookingAtLogitsDoes) {
  const auto model = load(kPlenty);
  const auto quiet = load(0);
  const Tokens system = random_tokens(150);
  const auto said = [&](const std::shared_ptr<const Model>& by, const Tokens& prompt, std::int64_t taken) {
    Session session(by);
    session.append(prompt).value_or_throw();
    Tokens all;
    for (int i = 0; i < 4; ++i) all.push_back(session.sample({.temperature = 1, .seed = 4}, std::nullopt, 50, {}).value_or_throw().token);
    EXPECT_EQ(session.usage().shared, taken);
    EXPECT_EQ(session.usage().prefilled + session.usage().shared, session.usage().appended);
    return all;
  };
  const Tokens first = joined(system, random_tokens(3)), near = joined(system, random_tokens(4)), far = joined(system, random_tokens(90));
  EXPECT_EQ(said(model, first, 0), said(quiet, first, 0));
  EXPECT_EQ(said(model, first, 152), said(quiet, first, 0));
  EXPECT_EQ(said(model, near, 150), said(quiet, near, 0));
  EXPECT_EQ(said(model, far, 150), said(quiet, far, 0));
}

TEST_P(PrefixCacheTest, ManyThreadsMayShare) {
  const auto model = load(kPlenty);
  const Tokens system = random_tokens(100);
  std::vector<Tokens> prompts;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < 8; ++i) {
    prompts.push_back(joined(system, random_tokens(5 + i)));
    expected.push_back(alone(prompts.back()));
  }
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < (on_gpu() ? 3 : 24); ++i) {
        const auto which = static_cast<std::size_t>((i + t * 3) % 8);
        Session session(model);
        session.append(prompts[which]).value_or_throw();
        EXPECT_EQ(logits_of(session), expected[which]);
        session.append(std::span(system).first(20)).value_or_throw();
        session.logits().value_or_throw();
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(
    Devices, PrefixCacheTest, ::testing::Values(ops::Device::kCpu, ops::Device::kCuda),
    [](const auto& test) { return test.param == ops::Device::kCpu ? "Cpu" : "Cuda"; }
);

}  // namespace
}  // namespace toccata::engine
