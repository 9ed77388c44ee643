#include "core/engine/cuda/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::engine {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kGb = 1000000000;

// The checkpoints' sizes (bytes of bf16 and of MXFP4 blocks and scales); keys and values of 8k positions at the least.
PlacementNeeds gpt_oss_20b(std::size_t free) {
  return {
      .free = free, .embedding = 1158266880, .dense = 2445000000, .layer_experts = 423700000, .n_layers = 24,
      .kv_least = 250000000, .kv_wanted = 20 * kGb};
}
PlacementNeeds gpt_oss_120b(std::size_t free) {
  return {
      .free = free, .embedding = 1158266880, .dense = 3120000000, .layer_experts = 1694800000, .n_layers = 36,
      .kv_least = 400000000, .kv_wanted = 40 * kGb};
}

// What must hold of every plan.
void expect_fits(const PlacementNeeds& needs, const Placement& plan) {
  const std::size_t staging = plan.staging ? needs.layer_experts : 0;
  EXPECT_LE(plan.device_weights + staging + plan.kv_bytes, needs.free);
  EXPECT_GE(plan.kv_bytes, std::min(needs.kv_least, needs.kv_wanted));
  const auto layers = static_cast<std::size_t>(needs.n_layers);
  EXPECT_EQ(plan.device_weights + plan.host_weights, needs.embedding + needs.dense + layers * needs.layer_experts);
}

TEST(PlacementTest, EverythingOnALargeCard) {
  const PlacementNeeds needs = gpt_oss_20b(79 * kGb);
  const Placement plan = plan_placement(needs).value_or_throw();
  expect_fits(needs, plan);
  EXPECT_TRUE(plan.embedding_on_device);
  EXPECT_EQ(plan.expert_layers_on_device, 24);
  EXPECT_FALSE(plan.staging);
  EXPECT_EQ(plan.host_weights, 0U);
  EXPECT_EQ(plan.kv_bytes, needs.kv_wanted);
  EXPECT_THAT(plan.describe(needs), HasSubstr("all weights on the GPU"));
}

TEST(PlacementTest, TheLargeModelInEightyGigabytes) {
  const PlacementNeeds needs = gpt_oss_120b(79 * kGb);
  const Placement plan = plan_placement(needs).value_or_throw();
  expect_fits(needs, plan);
  EXPECT_EQ(plan.expert_layers_on_device, 36);
  EXPECT_GT(plan.kv_bytes, 2457600000U) << "32k positions of one session: 36 layers x 2 x 512 x 2 bytes";
}

TEST(PlacementTest, TheSmallModelInEightGigabytes) {
  const PlacementNeeds needs = gpt_oss_20b(7500000000);
  const Placement plan = plan_placement(needs).value_or_throw();
  expect_fits(needs, plan);
  EXPECT_FALSE(plan.embedding_on_device);
  EXPECT_GE(plan.expert_layers_on_device, 8);
  EXPECT_LT(plan.expert_layers_on_device, 24);
  EXPECT_TRUE(plan.staging);
  EXPECT_THAT(plan.describe(needs), HasSubstr("of 24 layers"));
}

TEST(PlacementTest, TheLargeModelInTwentyFourGigabytes) {
  const PlacementNeeds needs = gpt_oss_120b(23 * kGb);
  const Placement plan = plan_placement(needs).value_or_throw();
  expect_fits(needs, plan);
  EXPECT_GE(plan.expert_layers_on_device, 8);
  EXPECT_LT(plan.host_weights, 52 * kGb) << "of host memory";
}

TEST(PlacementTest, TheEmbeddingAloneGoesWhenThatIsEnough) {
  PlacementNeeds needs = gpt_oss_20b(0);
  needs.kv_wanted = needs.kv_least;
  needs.free = needs.dense + 24 * needs.layer_experts + needs.kv_least + needs.embedding / 2;
  const Placement plan = plan_placement(needs).value_or_throw();
  expect_fits(needs, plan);
  EXPECT_FALSE(plan.embedding_on_device);
  EXPECT_EQ(plan.expert_layers_on_device, 24);
  EXPECT_FALSE(plan.staging);
}

TEST(PlacementTest, MoreMemoryNeverMovesALayerOffTheCard) {
  int before = 0;
  for (std::size_t free = 4 * kGb; free < 30 * kGb; free += 100000000) {
    const PlacementNeeds needs = gpt_oss_20b(free);
    const Placement plan = plan_placement(needs).value_or_throw();
    expect_fits(needs, plan);
    EXPECT_GE(plan.expert_layers_on_device, before) << free;
    before = plan.expert_layers_on_device;
  }
  EXPECT_EQ(before, 24);
}

TEST(PlacementTest, ACardThatIsTooSmallIsToldWhatIsMissing) {
  const auto plan = plan_placement(gpt_oss_120b(3 * kGb));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(plan.error().message, HasSubstr("3.0 GB free"));
  EXPECT_THAT(plan.error().message, HasSubstr("--device cpu"));
}

}  // namespace
}  // namespace toccata::engine
