#include "agent/loop/watchdog.h"

#include <gtest/gtest.h>

namespace toccata::agent {
namespace {

using Clock = Watchdog::Clock;
using namespace std::chrono_literals;

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

TEST(WatchdogTest, FiresAtTheDeadline) {
  Watchdog watchdog({});
  const auto deadline = Clock::now() + 5ms;
  const auto watch = watchdog.watch(deadline);
  wait_for(watch.token());
  EXPECT_GE(Clock::now(), deadline);
}

TEST(WatchdogTest, AnEarlierDeadlineThatComesLaterFiresFirst) {
  Watchdog watchdog({});
  const auto late = watchdog.watch(Clock::now() + 10min);
  const auto early = watchdog.watch(Clock::now() + 1ms);
  wait_for(early.token());
  EXPECT_FALSE(late.token().stop_requested());
}

TEST(WatchdogTest, PassesOnTheOuterStopWithAndWithoutDeadline) {
  std::stop_source outer;
  Watchdog watchdog(outer.get_token());
  const auto bounded = watchdog.watch(Clock::now() + 10min);
  const auto unbounded = watchdog.watch(std::nullopt);
  EXPECT_FALSE(bounded.token().stop_requested());
  outer.request_stop();
  EXPECT_TRUE(bounded.token().stop_requested());
  EXPECT_TRUE(unbounded.token().stop_requested());
  EXPECT_TRUE(watchdog.watch(std::nullopt).token().stop_requested());
}

TEST(WatchdogTest, AWatchThatIsOverNeverFires) {
  Watchdog watchdog({});
  std::optional<Watchdog::Watch> watch(watchdog.watch(Clock::now() + 10min));
  const std::stop_token token = watch->token();
  watch.reset();
  const auto probe = watchdog.watch(Clock::now() + 1ms);
  wait_for(probe.token());
  EXPECT_FALSE(token.stop_requested());
}

TEST(WatchdogTest, ManyShortWatchesLeaveNothingBehind) {
  Watchdog watchdog({});
  for (int i = 0; i < 10'000; ++i) {
    const auto watch = watchdog.watch(Clock::now() + 10min);
    ASSERT_FALSE(watch.token().stop_requested());
  }
}

}  // namespace
}  // namespace toccata::agent
