#include "agent/server/penalties.h"

#include <gtest/gtest.h>

namespace toccata::server {
namespace {

TEST(PenalizedSamplingTest, PresenceCountsOnceAndFrequencyEachTime) {
  SamplingParams asked;
  asked.logit_bias = {{7, 1}, {9, 2}};
  PenalizedSampling sampling(asked, {.presence = 0.5F, .frequency = 0.25F});
  EXPECT_EQ(sampling.params().logit_bias, asked.logit_bias);
  for (const Token token : {7, 5, 7}) sampling.observe(token);
  EXPECT_EQ(sampling.params().logit_bias, (std::vector<LogitBias>{{7, 0.0F}, {9, 2}, {5, -0.75F}}));
  EXPECT_TRUE(sampling.params().repeated.empty());
}

TEST(PenalizedSamplingTest, RepetitionNamesEachTokenOnce) {
  PenalizedSampling sampling({}, {.repetition = 1.3F});
  for (const Token token : {4, 4, 2}) sampling.observe(token);
  EXPECT_EQ(sampling.params().repetition, 1.3F);
  EXPECT_EQ(sampling.params().repeated, (std::vector<Token>{4, 2}));
}

TEST(PenalizedSamplingTest, WithoutPenaltiesNothingIsRemembered) {
  PenalizedSampling sampling({}, {});
  sampling.observe(4);
  EXPECT_EQ(sampling.params(), SamplingParams{});
}

}  // namespace
}  // namespace toccata::server
