#include "agent/store/run_id.h"

#include <gtest/gtest.h>

#include "agent/store/process_identity.h"

namespace toccata::store {
namespace {

TEST(RunIdTest, SortsByTime) {
  const std::int64_t now = 1'795'500'000'000;
  std::string last;
  for (const std::int64_t step : {0, 1, 31, 32, 1000, 86'400'000}) {
    const std::string id = make_run_id(now + step, 0);
    EXPECT_EQ(id.size(), 10U);
    EXPECT_LT(last.substr(0, 8), id.substr(0, 8));
    last = id;
  }
}

TEST(RunIdTest, StaysValidWithAWrongClock) {
  EXPECT_EQ(make_run_id(0, 0), "0000000000");
  EXPECT_EQ(make_run_id(std::int64_t{1} << 60, 0xffffffff), "zzzzzzzzzz");
}

TEST(ProcessIdentityTest, ThisProcessIsAliveAndAnotherStartTimeIsNot) {
  const std::string here = this_process();
  EXPECT_TRUE(is_alive(here));
  const auto colon = here.find(':');
  EXPECT_FALSE(is_alive(here.substr(0, colon) + ":1" + here.substr(here.rfind(':'))));
  EXPECT_FALSE(is_alive(""));
  EXPECT_FALSE(is_alive("x:1:2"));
}

}  // namespace
}  // namespace toccata::store
