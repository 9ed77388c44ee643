// Each op against double precision, at odd sizes, and its promises: ties, sums, what a row may depend on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/base/bf16.h"
#include "core/base/f16.h"
#include "core/ops/attend.h"
#include "core/ops/dot.h"
#include "core/ops/kv_format.h"
#include "core/ops/mxfp4.h"
#include "core/ops/rmsnorm.h"
#include "core/ops/rope.h"
#include "core/ops/router.h"
#include "core/ops/sampling.h"

namespace toccata::ops {
namespace {

std::vector<float> noise(std::size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(rng() % 20001) / 10000.0F - 1.0F;
  return values;
}

// Every kernel table of this machine; the scalar one is always there.
class DotTest : public ::testing::TestWithParam<const DotKernels*> {
 protected:
  static std::vector<float> ordered(const std::vector<float>& x) {
    std::vector<float> out(x.size());
    GetParam()->mxfp4_order(x.data(), static_cast<int>(x.size() / 32), out.data());
    return out;
  }
};

// n terms below 1 in magnitude, each rounded to 2^-24: n * 2^-24 bounds the error; 4 for the sum's own roundings.
TEST_P(DotTest, MatchesDoublePrecisionAtOddSizes) {
  for (const int n : {1, 7, 8, 15, 16, 31, 32, 33, 97, 128, 2880}) {
    const auto a = noise(static_cast<std::size_t>(n), 1);
    const auto b = noise(static_cast<std::size_t>(n), 2);
    std::vector<Bf16> w;
    double f32 = 0;
    double bf16 = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      w.push_back(to_bf16(a[i]));
      f32 += double{a[i]} * b[i];
      bf16 += double{to_f32(w[i])} * b[i];
    }
    EXPECT_NEAR(GetParam()->f32(a.data(), b.data(), n), f32, 4 * n * 0x1p-24) << n;
    EXPECT_NEAR(GetParam()->bf16(w.data(), b.data(), n), bf16, 4 * n * 0x1p-24) << n;
    auto y = b;
    GetParam()->axpy(0.5F, a.data(), y.data(), n);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(y[i], b[i] + 0.5 * a[i], 1e-6);
  }
}

TEST_P(DotTest, UnpacksEveryHalfAndByteExactly) {
  std::vector<std::byte> halves(2 * 65536), blocks;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    std::memcpy(halves.data() + 2 * bits, &half, 2);
  }
  std::vector<float> values(65536);
  GetParam()->unpack_f16(halves.data(), 65536, values.data());
  GetParam()->unpack_f16(halves.data(), 13, values.data());  // again, at an odd size
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float expected = f16_to_f32(static_cast<std::uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(values[bits])) << bits;
    } else {
      EXPECT_EQ(values[bits], expected) << bits;
    }
  }
  for (int block = 0; block < 8; ++block) {
    const std::uint16_t scale = f32_to_f16(0.37F);
    blocks.insert(blocks.end(), reinterpret_cast<const std::byte*>(&scale), reinterpret_cast<const std::byte*>(&scale) + 2);
    for (int i = 0; i < 32; ++i) blocks.push_back(static_cast<std::byte>(block * 32 + i));
  }
  GetParam()->unpack_q8(blocks.data(), 8, values.data());
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(values[static_cast<std::size_t>(i)], static_cast<float>(static_cast<std::int8_t>(i)) * f16_to_f32(f32_to_f16(0.37F))) << i;
  }
}

// Every number of rows up to a block, sizes with and without a rest: next to double precision.
TEST(Attend, BothFormsAreNearDoublePrecision) {
  for (const AttendKernels* kernels : {&scalar_attend_kernels(), &attend_kernels()}) {
    for (const int d : {16, 32, 64, 80, 13}) {
      for (const int n : {1, 2, 7, 8, 9, 31, 63, 64}) {
        const auto width = static_cast<std::size_t>(d);
        const auto q = noise(width, 7), data = noise(width * static_cast<std::size_t>(n), 8), before = noise(width, 9);
        std::vector<const float*> rows;
        for (int i = 0; i < n; ++i) rows.push_back(data.data() + i * d);
        std::vector<float> scores(static_cast<std::size_t>(n) + 1, 77.0F), out = before;
        kernels->score(q.data(), rows.data(), n, d, 3.0F, scores.data());
        std::vector<double> wanted(width);
        for (std::size_t j = 0; j < width; ++j) wanted[j] = double{before[j]};
        double sum = 0;
        float top = -10;
        for (int i = 0; i < n; ++i) {
          double score = 0;
          for (int j = 0; j < d; ++j) score += double{q[static_cast<std::size_t>(j)]} * rows[static_cast<std::size_t>(i)][j];
          ASSERT_NEAR(scores[static_cast<std::size_t>(i)], 3 * score, 3e-5) << d << ", " << n;
          top = std::max(top, scores[static_cast<std::size_t>(i)]);
        }
        const auto given = scores;
        EXPECT_EQ(scores.back(), 77.0F) << "wrote past the end";
        const float total = kernels->weigh(scores.data(), n, top);
        kernels->gather(scores.data(), rows.data(), n, d, out.data());
        for (int i = 0; i < n; ++i) {
          const double weight = std::exp(double{given[static_cast<std::size_t>(i)]} - top);
          ASSERT_NEAR(scores[static_cast<std::size_t>(i)], weight, 2e-6 * weight);  // the difference itself is rounded
          sum += weight;
          for (std::size_t j = 0; j < width; ++j) wanted[j] += weight * rows[static_cast<std::size_t>(i)][j];
        }
        EXPECT_EQ(scores.back(), 77.0F) << "wrote past the end";
        EXPECT_NEAR(total, sum, 1e-6 * sum);
        for (std::size_t j = 0; j < width; ++j) ASSERT_NEAR(out[j], wanted[j], 2e-5) << d << ", " << n;
      }
    }
  }
}

TEST(Attend, WeightsReachFromOneToNothing) {
  std::vector<float> scores;
  for (int i = 0; i <= 9000; ++i) scores.push_back(static_cast<float>(-i) / 100);
  auto weights = scores;
  for (std::size_t i = 0; i < scores.size(); i += 60) {
    attend_kernels().weigh(weights.data() + i, static_cast<int>(std::min<std::size_t>(60, scores.size() - i)), 0);
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double wanted = std::exp(std::max(double{scores[i]}, -87.0));
    ASSERT_NEAR(weights[i], wanted, 3e-7 * wanted) << scores[i];
  }
  float odd[3] = {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 0};
  EXPECT_TRUE(std::isnan(attend_kernels().weigh(odd, 3, 0)));
  EXPECT_TRUE(std::isnan(odd[0]));
  EXPECT_LT(odd[1], 1e-37F);
  EXPECT_EQ(odd[2], 1);
}

TEST(KvFormat, KeepsWhatItsBitsHold) {
  const KvFormat f32{KvType::kF32, 2, 64}, f16{KvType::kF16, 2, 64}, q8{KvType::kInt8, 2, 64};
  EXPECT_EQ(f32.row_bytes(), 512U);
  EXPECT_EQ(f16.row_bytes(), 256U);
  EXPECT_EQ(q8.row_bytes(), 136U);
  auto row = noise(128, 5);
  row[3] = 40;  // makes its block coarse, and no other
  const auto kept = [&](const KvFormat& format) {
    std::vector<std::byte> packed(format.row_bytes());
    for (std::size_t head = 0; head < 2; ++head) format.pack_head(row.data() + head * 64, packed.data() + head * format.head_bytes());
    std::vector<float> out(128);
    format.unpack_heads(packed.data(), 2, out.data());
    return out;
  };
  EXPECT_EQ(kept(f32), row);
  const auto half = kept(f16), bytes = kept(q8);
  for (std::size_t i = 0; i < row.size(); ++i) {
    EXPECT_NEAR(half[i], row[i], std::fabs(row[i]) * 0x1p-11 + 0x1p-25) << i;
    const float step = (i < 32 ? 40.0F : 1.0F) / 127;
    EXPECT_NEAR(bytes[i], row[i], step * 0.51F) << i;
  }
  row[40] = std::numeric_limits<float>::quiet_NaN();
  row[100] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(kept(f16)[40]) && std::isinf(kept(f16)[100]));
  EXPECT_FALSE(std::isfinite(kept(q8)[40]) || std::isfinite(kept(q8)[100])) << "what is not finite must be seen in the logits";
  row.assign(128, 0.0F);
  EXPECT_EQ(kept(q8), row);
}

TEST_P(DotTest, ReadsEveryMxfp4CodeAndScale) {
  std::mt19937 rng(3);
  for (const int n_blocks : {1, 2, 3, 90}) {
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(n_blocks) * 16);
    std::vector<std::uint8_t> scales(static_cast<std::size_t>(n_blocks));
    for (auto& c : codes) c = static_cast<std::uint8_t>(rng());
    for (auto& s : scales) s = static_cast<std::uint8_t>(120 + rng() % 10);
    const auto x = noise(static_cast<std::size_t>(n_blocks) * 32, 4);
    double sum = 0;
    double size = 0;
    for (std::size_t block = 0; block < scales.size(); ++block) {
      float values[32];
      mxfp4_decode(codes.data() + block * 16, scales[block], values);
      for (std::size_t i = 0; i < 32; ++i) {
        sum += double{values[i]} * x[block * 32 + i];
        size += std::abs(double{values[i]} * x[block * 32 + i]);
      }
    }
    EXPECT_NEAR(GetParam()->mxfp4(codes.data(), scales.data(), ordered(x).data(), n_blocks), sum, 1e-6 * size);
  }
}

TEST_P(DotTest, ReadsTheRowsOfAGguf) {
  std::mt19937 rng(5);
  for (const int n_blocks : {1, 3, 90}) {
    const auto n = static_cast<std::size_t>(n_blocks) * 32;
    const auto x = noise(n, 6);
    std::vector<std::uint8_t> codes, scales, blocks;  // HF order, and the same in GGUF's
    std::vector<std::byte> f16, q8;
    double f16_sum = 0;
    double q8_sum = 0;
    for (std::size_t block = 0; block < n / 32; ++block) {
      scales.push_back(static_cast<std::uint8_t>(120 + rng() % 10));
      std::array<std::uint8_t, 32> values{};
      for (auto& v : values) v = static_cast<std::uint8_t>(rng() % 16);
      for (std::size_t j = 0; j < 16; ++j) codes.push_back(static_cast<std::uint8_t>(values[2 * j] | values[2 * j + 1] << 4));
      blocks.push_back(scales.back());
      for (std::size_t j = 0; j < 16; ++j) blocks.push_back(static_cast<std::uint8_t>(values[j] | values[j + 16] << 4));
      const std::uint16_t scale = f32_to_f16(0.01F * static_cast<float>(1 + block % 7));
      q8.push_back(static_cast<std::byte>(scale & 255));
      q8.push_back(static_cast<std::byte>(scale >> 8));
      for (std::size_t i = 0; i < 32; ++i) {
        const auto code = static_cast<std::int8_t>(rng());
        q8.push_back(static_cast<std::byte>(code));
        q8_sum += double{f16_to_f32(scale)} * code * x[block * 32 + i];
        const std::uint16_t half = f32_to_f16(static_cast<float>(code) / 128);
        f16.push_back(static_cast<std::byte>(half & 255));
        f16.push_back(static_cast<std::byte>(half >> 8));
        f16_sum += double{f16_to_f32(half)} * x[block * 32 + i];
      }
    }
    EXPECT_NEAR(GetParam()->f16(f16.data(), x.data(), static_cast<int>(n)), f16_sum, 1e-6 * static_cast<double>(n));
    EXPECT_NEAR(GetParam()->q8(q8.data(), x.data(), n_blocks), q8_sum, 1e-5 * static_cast<double>(n));
    const auto ordered_x = ordered(x);
    const float wanted = GetParam()->mxfp4(codes.data(), scales.data(), ordered_x.data(), n_blocks);
    EXPECT_EQ(GetParam()->mxfp4_gguf(blocks.data(), ordered_x.data(), n_blocks), wanted);
    const auto other = ordered(noise(n, 7));
    const float* const four[4] = {ordered_x.data(), other.data(), ordered_x.data(), other.data()};
    const float wanted_other = GetParam()->mxfp4(codes.data(), scales.data(), other.data(), n_blocks);
    float sums[4];
    GetParam()->mxfp4_by4(codes.data(), scales.data(), four, n_blocks, sums);
    EXPECT_THAT(sums, ::testing::ElementsAre(wanted, wanted_other, wanted, wanted_other)) << "other bits in a batch";
    GetParam()->mxfp4_gguf_by4(blocks.data(), four, n_blocks, sums);
    EXPECT_THAT(sums, ::testing::ElementsAre(wanted, wanted_other, wanted, wanted_other)) << "other bits in a batch";
  }
}

TEST(F16Test, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const auto h = static_cast<std::uint16_t>(half);
    const float value = f16_to_f32(h);
    if (std::isnan(value)) continue;
    EXPECT_EQ(f32_to_f16(value), h);
  }
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00) << "half way above the largest rounds to infinity";
  EXPECT_EQ(f32_to_f16(1.0F + 0x1p-11F), 0x3C00) << "ties go to even";
  EXPECT_EQ(f32_to_f16(1.0F + 0x1.8p-10F), 0x3C02);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, DotTest, ::testing::Values(&scalar_dot_kernels(), &dot_kernels()),
    [](const auto& test) { return test.index == 0 ? "scalar" : "fastest"; }
);

TEST(Mxfp4Test, DecodesTheExampleOfTheFormat) {
  std::uint8_t codes[16] = {0x21, 0xF0};  // 0.5, 1, 0, -6 before the scale 2^-1
  float values[32];
  mxfp4_decode(codes, 126, values);
  EXPECT_EQ(values[0], 0.25F);
  EXPECT_EQ(values[1], 0.5F);
  EXPECT_EQ(values[2], 0.0F);
  EXPECT_EQ(values[3], -3.0F);
  mxfp4_decode(codes, 0, values);
  EXPECT_EQ(values[1], 0x1p-127F) << "the smallest scale is subnormal, not zero";
}

TEST(RmsNormTest, MatchesDoublePrecisionAndLeavesZeroAlone) {
  for (const std::size_t width : {1U, 31U, 128U, 2880U}) {
    const auto x = noise(2 * width, 5);
    const std::vector<Bf16> scale(width, to_bf16(1.5F));
    std::vector<float> out(2 * width);
    rmsnorm(Device::kCpu, x.data(), scale, 1e-5F, 2, out.data());
    double sum = 0;
    for (std::size_t i = width; i < 2 * width; ++i) sum += double{x[i]} * x[i];
    const double factor = 1.5 / std::sqrt(sum / static_cast<double>(width) + 1e-5);
    for (std::size_t i = width; i < 2 * width; ++i) EXPECT_NEAR(out[i], x[i] * factor, 1e-5);
    const std::vector<float> zero(width);
    rmsnorm(Device::kCpu, zero.data(), scale, 1e-5F, 1, out.data());
    for (std::size_t i = 0; i < width; ++i) EXPECT_EQ(out[i], 0.0F);
  }
}

// The published constants: head size 64, base 150000, factor 32, bounds 8.09 and 17.40 unrounded.
TEST(RopeTest, FrequenciesAreThoseOfGptOss) {
  model::Config config;
  config.head_dim = 64;
  config.rope_factor = 32;
  config.initial_context = 4096;
  const RopeTable table = RopeTable::make(config);
  const std::pair<std::size_t, double> wanted[] = {{0, 1.0},
                                                   {8, 0.0508132748},
                                                   {9, 0.0317056962},
                                                   {12, 0.00679495949},
                                                   {15, 0.0010526021},
                                                   {17, 0.000129318701},
                                                   {18, 3.83088124e-05},
                                                   {31, 3.02351143e-07}};
  for (const auto& [i, value] : wanted) EXPECT_NEAR(table.frequency[i] / value, 1, 1e-8) << i;
  EXPECT_NEAR(table.concentration, 1.3465735902799727, 1e-7);
}

// An original context so short that the lower bound is negative: transformers' figures, which clamp it at 0.
TEST(RopeTest, BoundsStayInsideTheHead) {
  model::Config config;
  config.head_dim = 64;
  config.rope_factor = 32;
  config.initial_context = 64;
  const RopeTable table = RopeTable::make(config);
  const std::pair<std::size_t, double> wanted[] = {{0, 1}, {1, 0.581929321}, {3, 0.174577053}, {6, 0.00719990308}, {7, 0.00230451776}, {31, 3.02351143e-07}};
  for (const auto& [i, value] : wanted) EXPECT_NEAR(table.frequency[i] / value, 1, 1e-8) << i;
}

TEST(RouterTest, KeepsTheLowerIdOfEqualsAndSumsToOne) {
  const float logits[] = {1, 3, 3, 2, 3};
  std::int32_t experts[3];
  float weights[3];
  route(Device::kCpu, logits, 1, 5, 3, experts, weights);
  EXPECT_EQ(std::vector<int>(experts, experts + 3), (std::vector<int>{1, 2, 4}));
  EXPECT_NEAR(weights[0] + weights[1] + weights[2], 1, 1e-6);
}

class SamplerTest : public ::testing::Test {
 protected:
  std::vector<double> frequencies(const SamplingParams& params, int n = 20000) {
    std::vector<double> seen(logits_.size());
    for (int i = 0; i < n; ++i) {
      const auto draw = sampler_.draw(logits_, params, std::nullopt, 5, static_cast<std::uint64_t>(i));
      seen[static_cast<std::size_t>(draw.token)] += 1.0 / n;
    }
    return seen;
  }
  std::vector<float> logits_ = {std::log(0.1F), std::log(0.4F), std::log(0.2F), std::log(0.25F), std::log(0.05F)};
  Sampler sampler_{5};
};

TEST_F(SamplerTest, DrawsInProportion) {
  const auto seen = frequencies({.seed = 11});
  const double wanted[] = {0.1, 0.4, 0.2, 0.25, 0.05};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(seen[i], wanted[i], 0.015);  // four standard deviations
}

TEST_F(SamplerTest, EachCutKeepsWhatItSays) {
  const auto kept = [&](const SamplingParams& params) {
    std::vector<int> tokens;
    const auto seen = frequencies(params, 2000);
    for (std::size_t i = 0; i < 5; ++i) {
      if (seen[i] > 0) tokens.push_back(static_cast<int>(i));
    }
    return tokens;
  };
  EXPECT_EQ(kept({.temperature = 0}), (std::vector<int>{1}));
  EXPECT_EQ(kept({.top_k = 2}), (std::vector<int>{1, 3}));
  EXPECT_EQ(kept({.top_p = 0.6F}), (std::vector<int>{1, 3}));
  EXPECT_EQ(kept({.top_p = 0.7F}), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(kept({.min_p = 0.45F}), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(kept({.top_p = 1e-9F}), (std::vector<int>{1}));
}

// Surprises: 2.3, 0.9, 1.6, 1.4, 3.0; the expected one is 1.44. Nearest to it: 3, then 2, then 1.
TEST_F(SamplerTest, TypicalTokensAreThoseOfTheExpectedSurprise) {
  const auto kept = [&](float typical_p, float top_p) {
    std::vector<int> tokens;
    const auto seen = frequencies({.top_p = top_p, .typical_p = typical_p}, 2000);
    for (std::size_t i = 0; i < 5; ++i) {
      if (seen[i] > 0) tokens.push_back(static_cast<int>(i));
    }
    return tokens;
  };
  EXPECT_EQ(kept(0.2F, 1), (std::vector<int>{3}));
  EXPECT_EQ(kept(0.4F, 1), (std::vector<int>{2, 3}));
  EXPECT_EQ(kept(0.6F, 1), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(kept(1e-9F, 1), (std::vector<int>{3}));
  EXPECT_EQ(kept(0.5F, 0.6F), (std::vector<int>{1})) << "after top_p only 1 and 3 are left";
}

TEST_F(SamplerTest, BiasesMoveWhatIsDrawnButNotWhatIsTold) {
  const SamplingParams banned{.temperature = 0, .logit_bias = {{1, -100}, {77, 5}}};
  const auto draw = sampler_.draw(logits_, banned, std::nullopt, 5, 0);
  EXPECT_EQ(draw.token, 3);
  EXPECT_NEAR(draw.logprob, std::log(0.25), 1e-6);
  EXPECT_EQ(sampler_.draw(logits_, {.temperature = 0, .logit_bias = {{4, 100}}}, std::nullopt, 5, 0).token, 4);
  const std::uint32_t mask[] = {0b01111};
  EXPECT_EQ(sampler_.draw(logits_, {.temperature = 0, .logit_bias = {{4, 100}}}, mask, 5, 0).token, 1);
}

TEST_F(SamplerTest, RepetitionMakesBothSignsLessLikely) {
  const std::vector<float> logits = {2, 1.9F, -1, -1.1F, -5};
  const auto greedy = [&](std::vector<Token> repeated) {
    return sampler_.draw(logits, {.temperature = 0, .repeated = std::move(repeated), .repetition = 1.5F}, std::nullopt, 5, 0).token;
  };
  EXPECT_EQ(greedy({}), 0);
  EXPECT_EQ(greedy({0}), 1);
  const std::uint32_t negative[] = {0b11100};
  const SamplingParams params{.temperature = 0, .repeated = {2}, .repetition = 1.5F};
  EXPECT_EQ(sampler_.draw(logits, params, negative, 5, 0).token, 3);
}

TEST_F(SamplerTest, TellsTheLikeliestTokens) {
  const auto draw = sampler_.draw(logits_, {.temperature = 0, .logit_bias = {{1, -100}}, .n_top = 2}, std::nullopt, 5, 0);
  ASSERT_EQ(draw.top.size(), 2U);
  EXPECT_EQ(draw.top[0].token, 1);
  EXPECT_NEAR(draw.top[0].logprob, std::log(0.4), 1e-6);
  EXPECT_EQ(draw.top[1], (Likely{3, draw.logprob}));
  EXPECT_EQ(sampler_.draw(logits_, {.n_top = 20}, std::nullopt, 4, 0).top.size(), 4U);
}

TEST_F(SamplerTest, MaskAndLegalIdsAreNeverCrossed) {
  const std::uint32_t mask[] = {0b10101};
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Token token = sampler_.draw(logits_, {.temperature = 5}, mask, 4, i).token;
    EXPECT_TRUE(token == 0 || token == 2) << token;
  }
}

TEST_F(SamplerTest, LogprobsAreThoseOfTheModelNotOfTheCuts) {
  const auto draw = sampler_.draw(logits_, {.temperature = 0.01F, .top_k = 1}, std::nullopt, 5, 0);
  EXPECT_NEAR(draw.logprob, std::log(0.4), 1e-6);
}

TEST_F(SamplerTest, TiesGoToTheLowerIdAndBrokenLogitsToNobody) {
  const std::vector<float> logits = {NAN, 2, 2, -INFINITY, 1};
  EXPECT_EQ(sampler_.draw(logits, {.temperature = 0}, std::nullopt, 5, 0).token, 1);
  const std::vector<float> broken = {NAN, INFINITY, -INFINITY, NAN, NAN};
  EXPECT_THROW(sampler_.draw(broken, {.temperature = 0}, std::nullopt, 5, 0), Exception);
  const std::vector<std::uint32_t> none = {1};
  EXPECT_THROW(sampler_.draw(logits, {.temperature = 1}, none, 5, 0), Exception);
}

TEST(UniformTest, DependsOnSeedAndCounterAlone) {
  EXPECT_EQ(uniform(1, 2), uniform(1, 2));
  EXPECT_NE(uniform(1, 2), uniform(1, 3));
  EXPECT_NE(uniform(1, 2), uniform(2, 2));
  double sum = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) sum += uniform(9, i);
  EXPECT_NEAR(sum / 10000, 0.5, 0.015);
}

}  // namespace
}  // namespace toccata::ops
