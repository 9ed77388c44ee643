// Draws on the device (emulated here, a GPU's in scripts/gpu_check) beside the CPU's sampler: the same token from the same
// logits.
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "core/cuda/device.h"
#include "core/engine/cuda/sampler.cuh"

namespace toccata::engine {
namespace {

using device_side::DeviceSampler;

class CudaSamplingTest : public ::testing::Test {
 protected:
  struct Case {
    std::vector<float> logits;
    SamplingParams params;
    std::vector<std::uint32_t> mask;  // empty: none
    int n_legal = 0;
    std::uint64_t counter = 0;
    DrawRequest request() const {
      DrawRequest r{&params, std::nullopt, n_legal, counter};
      if (!mask.empty()) r.mask = mask;
      return r;
    }
  };
  // One draw on each; nullopt: the device left it to the host.
  static std::vector<std::optional<ops::Draw>> on_device(DeviceSampler& sampler, const std::vector<Case>& cases) {
    std::vector<DrawRequest> requests;
    for (const Case& c : cases) requests.push_back(c.request());
    std::vector<DeviceSampler::Row> rows;
    std::vector<cuda::Array<float>> logits;
    const cuda::Stream stream;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      logits.push_back(cuda::to_device<float>(cases[i].logits, stream));
      rows.push_back({logits.back().data(), nullptr, &requests[i]});
    }
    sampler.start(rows);
    return sampler.results();
  }
  static ops::Draw on_cpu(const Case& c) {
    ops::Sampler sampler(static_cast<int>(c.logits.size()));
    const DrawRequest r = c.request();
    return sampler.draw(c.logits, c.params, r.mask, c.n_legal, c.counter);
  }
  static void expect_same(const std::optional<ops::Draw>& got, const Case& c, const std::string& what) {
    ASSERT_TRUE(got.has_value()) << what;
    const ops::Draw wanted = on_cpu(c);
    EXPECT_EQ(got->token, wanted.token) << what;
    EXPECT_NEAR(got->logprob, wanted.logprob, 2e-6F * std::max(1.0F, std::abs(wanted.logprob))) << what;
    ASSERT_EQ(got->top.size(), wanted.top.size()) << what;
    for (std::size_t i = 0; i < wanted.top.size(); ++i) {
      EXPECT_EQ(got->top[i].token, wanted.top[i].token) << what << ", top " << i;
      EXPECT_NEAR(got->top[i].logprob, wanted.top[i].logprob, 2e-6F * std::max(1.0F, std::abs(wanted.top[i].logprob)));
    }
  }
  Case some_case(std::size_t n_vocab, int number) {
    std::mt19937 rng(static_cast<unsigned>(number));
    std::normal_distribution<float> normal(0, 3);
    Case c;
    c.logits.resize(n_vocab);
    // Rounded, so that some are equal.
    for (float& l : c.logits) l = std::round(normal(rng) * 16) / 16;
    c.n_legal = static_cast<int>(number % 3 == 0 ? n_vocab : n_vocab - 1 - rng() % 9);
    c.counter = rng();
    c.params.seed = rng();
    c.params.temperature = number % 7 == 0 ? 0.0F : 0.25F * static_cast<float>(1 + rng() % 6);
    if (number % 2 == 0) c.params.top_p = 0.1F * static_cast<float>(1 + rng() % 9);
    if (number % 5 == 0) c.params.top_k = static_cast<int>(1 + rng() % 60);
    if (number % 4 == 0) c.params.min_p = 0.01F * static_cast<float>(1 + rng() % 20);
    if (number % 3 == 0) {
      c.mask.resize((n_vocab + 31) / 32);
      for (std::uint32_t& word : c.mask) word = static_cast<std::uint32_t>(rng()) & static_cast<std::uint32_t>(rng());
      c.mask[0] |= 2;
    }
    if (number % 6 == 1) {
      c.params.repetition = 1.3F;
      for (int i = 0; i < 20; ++i) c.params.repeated.push_back(static_cast<Token>(rng() % n_vocab));
      for (int i = 0; i < 10; ++i) c.params.logit_bias.push_back({static_cast<Token>(static_cast<std::size_t>(7 * i + number) % n_vocab), 0.5F * static_cast<float>(i)});
    } else if (number % 8 == 2) {
      c.params.n_top = 1 + static_cast<int>(rng() % 20);
    }
    return c;
  }
  void SetUp() override {
    if (const auto devices = cuda::list_devices(); !devices) GTEST_SKIP() << devices.error().message;
    stream_.emplace();
  }
  std::optional<cuda::Stream> stream_;  // where there is a device
  cuda::OpTimer ops_;
};

TEST_F(CudaSamplingTest, DrawsWhatTheCpuDraws) {
  for (const std::size_t n_vocab : {50U, 2048U, 5001U}) {
    DeviceSampler sampler(static_cast<int>(n_vocab), *stream_, ops_);
    std::vector<Case> cases;
    for (int number = 1; number <= 60; ++number) cases.push_back(some_case(n_vocab, number));
    const auto draws = on_device(sampler, cases);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::string what = std::to_string(n_vocab) + " tokens, case " + std::to_string(i + 1);
      ASSERT_TRUE(sampler.can(cases[i].request())) << what;
      expect_same(draws[i], cases[i], what);
    }
  }
}

TEST_F(CudaSamplingTest, TheWholeVocabularyOfGptOss) {
  constexpr std::size_t kVocab = 201088;
  DeviceSampler sampler(kVocab, *stream_, ops_);
  std::vector<Case> cases = {some_case(kVocab, 3), some_case(kVocab, 11)};
  cases[0].params = {.temperature = 1.0F, .seed = 5};
  cases[1].params = {.temperature = 0.7F, .top_k = 40, .seed = 6};
  const auto draws = on_device(sampler, cases);
  for (std::size_t i = 0; i < cases.size(); ++i) expect_same(draws[i], cases[i], "case " + std::to_string(i));
  EXPECT_LE(sampler.uploaded(), 26U * 1024) << "with one mask";
  EXPECT_LE(sampler.downloaded() / cases.size(), 256U) << "bytes that come back for a token";
}

TEST_F(CudaSamplingTest, FrequenciesFollowTheProbabilities) {
  DeviceSampler sampler(50, *stream_, ops_);
  std::vector<int> seen(50);
  Case c;
  c.logits.assign(50, -30.0F);
  c.logits[7] = std::log(0.5F), c.logits[8] = std::log(0.3F), c.logits[49] = std::log(0.2F);
  c.n_legal = 50;
  for (int round = 0; round < 16; ++round) {
    std::vector<Case> cases;
    for (int i = 0; i < DeviceSampler::kRowsMax; ++i) {
      c.counter = static_cast<std::uint64_t>(round * DeviceSampler::kRowsMax + i);
      cases.push_back(c);
    }
    for (const auto& draw : on_device(sampler, cases)) ++seen[static_cast<std::size_t>(draw.value().token)];
  }
  EXPECT_NEAR(seen[7] / 1024.0, 0.5, 0.06);
  EXPECT_NEAR(seen[8] / 1024.0, 0.3, 0.06);
  EXPECT_NEAR(seen[49] / 1024.0, 0.2, 0.06);
}

// More candidates than a list holds, equal ones among them, and every cut on top.
TEST_F(CudaSamplingTest, NearlyFlatLogitsAreDrawnInPlace) {
  constexpr std::size_t kVocab = 6001;
  DeviceSampler sampler(kVocab, *stream_, ops_);
  std::vector<Case> cases;
  for (int number = 1; number <= 24; ++number) {
    Case c = some_case(kVocab, number);
    c.params = {.temperature = 0.5F + 0.25F * static_cast<float>(number % 4), .top_p = 0.98F, .seed = static_cast<std::uint64_t>(number)};
    const float spread = number % 3 == 0 ? 0.0F : number % 3 == 1 ? 0.01F : 0.3F;
    for (std::size_t i = 0; i < kVocab; ++i) c.logits[i] = number % 5 == 0 && i % 2 == 0 ? -spread : c.logits[i] * spread - 1;
    if (number % 4 == 1) c.params.top_p = 1, c.params.top_k = 3000 + number;
    if (number % 4 == 2) c.params.top_k = 4000, c.params.top_p = 0.8F;
    if (number % 6 == 3) c.params.min_p = 0.5F;
    if (number % 8 == 4) c.params.n_top = 7;
    cases.push_back(c);
  }
  const auto draws = on_device(sampler, cases);
  for (std::size_t i = 0; i < cases.size(); ++i) expect_same(draws[i], cases[i], "case " + std::to_string(i + 1));
}

TEST_F(CudaSamplingTest, TypicalTokensAreThoseOfTheCpu) {
  for (const std::size_t n_vocab : {50U, 3000U}) {
    DeviceSampler sampler(static_cast<int>(n_vocab), *stream_, ops_);
    std::vector<Case> cases;
    for (int number = 1; number <= 48; ++number) {
      Case c = some_case(n_vocab, number);
      if (c.params.temperature == 0) c.params.temperature = 1;
      c.params.typical_p = number % 9 == 0 ? 1e-6F : 0.1F * static_cast<float>(1 + number % 9);
      if (number % 5 == 1) std::transform(c.logits.begin(), c.logits.end(), c.logits.begin(), [](float l) { return l * 0.02F; });
      cases.push_back(c);
    }
    const auto draws = on_device(sampler, cases);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::string what = std::to_string(n_vocab) + " tokens, case " + std::to_string(i + 1);
      ASSERT_TRUE(sampler.can(cases[i].request())) << what;
      expect_same(draws[i], cases[i], what);
    }
  }
}

TEST_F(CudaSamplingTest, ADrawKnowsNothingOfThoseBesideIt) {
  DeviceSampler sampler(3000, *stream_, ops_);
  std::vector<Case> cases;
  for (int number = 1; number <= 12; ++number) {
    Case c = some_case(3000, number);
    if (number % 2 == 0) c.params.typical_p = 0.6F;
    if (number % 3 == 0) c.logits.assign(3000, 0.25F), c.params.top_p = 0.95F;
    cases.push_back(c);
  }
  const auto together = on_device(sampler, cases);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto alone = on_device(sampler, {cases[i]});
    ASSERT_TRUE(alone[0] && together[i]);
    EXPECT_EQ(alone[0]->token, together[i]->token) << i;
    EXPECT_EQ(alone[0]->logprob, together[i]->logprob) << i;
  }
}

TEST_F(CudaSamplingTest, WhatItCannotDoIsLeftToTheHost) {
  DeviceSampler sampler(5000, *stream_, ops_);
  Case none = some_case(5000, 1);
  none.mask.assign(157, 0);
  none.params = {.temperature = 1};
  Case damaged = none;
  damaged.mask.clear();
  damaged.logits.assign(5000, std::numeric_limits<float>::quiet_NaN());
  damaged.logits[4] = std::numeric_limits<float>::infinity();
  Case one = damaged;
  one.logits[4321] = -2.0F;
  Case one_typical = one;
  one_typical.params.typical_p = 0.5F;
  const auto draws = on_device(sampler, {none, damaged, one, one_typical});
  EXPECT_FALSE(draws[0].has_value()) << "nothing allowed";
  EXPECT_FALSE(draws[1].has_value()) << "no logit is a number";
  expect_same(draws[2], one, "one number");
  expect_same(draws[3], one_typical, "one number, which is typical");
  Case many = one;
  many.params.n_top = cuda::kSampleTopMax + 1;
  EXPECT_FALSE(sampler.can(many.request()));
}

}  // namespace
}  // namespace toccata::engine
