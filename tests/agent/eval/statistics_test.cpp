#include "agent/eval/statistics.h"

#include <gtest/gtest.h>

namespace toccata::eval {
namespace {

TEST(StatisticsTest, Wilson) {
  // Brown, Cai, DasGupta 2001: 95% for 0 of 10 and 5 of 10.
  EXPECT_NEAR(0.0, wilson(0, 10).low, 1e-12);
  EXPECT_NEAR(0.27753, wilson(0, 10).high, 1e-5);
  EXPECT_NEAR(0.23659, wilson(5, 10).low, 1e-5);
  EXPECT_NEAR(0.76341, wilson(5, 10).high, 1e-5);
  EXPECT_EQ(1.0, wilson(0, 0).high);
}

TEST(StatisticsTest, PassAtK) {
  EXPECT_DOUBLE_EQ(0.3, pass_at_k(10, 3, 1));
  EXPECT_NEAR(1 - (7.0 * 6) / (10 * 9), pass_at_k(10, 3, 2), 1e-12);
  EXPECT_EQ(0, pass_at_k(10, 0, 5));
  EXPECT_EQ(1, pass_at_k(10, 6, 5)) << "more right answers than there is room for wrong ones";
  EXPECT_EQ(1, pass_at_k(4, 1, 4));
  EXPECT_NEAR(0.5, pass_at_k(1000, 1, 500), 1e-12);
  // Unbiased: over all ways to draw 2 of 5 answers of which 2 are right, 7 of 10 hold a right one.
  EXPECT_NEAR(0.7, pass_at_k(5, 2, 2), 1e-12);
}

TEST(StatisticsTest, Bootstrap) {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(i % 2);
  const Interval interval = bootstrap(values);
  EXPECT_NEAR(0.4, interval.low, 0.03);  // 0.5 -+ 1.96 * 0.05
  EXPECT_NEAR(0.6, interval.high, 0.03);
  EXPECT_EQ(interval.low, bootstrap(values).low) << "the same every time";
  EXPECT_EQ(1.0, bootstrap({1, 1, 1}).low);
}

TEST(StatisticsTest, Spread) {
  const Spread s = spread({4, 1, 2, 3});
  EXPECT_EQ(2.5, s.mean);
  EXPECT_EQ(2, s.median);
  EXPECT_EQ(4, s.p95);
  EXPECT_EQ(0, spread({}).max);
}

}  // namespace
}  // namespace toccata::eval
