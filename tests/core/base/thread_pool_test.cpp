// Every index once, whatever the threads do: spinning, asleep, called from two sides.
#include "core/base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace toccata {
namespace {

void expect_each_index_once(ThreadPool& pool, std::size_t n) {
  std::vector<int> visits(n);
  pool.parallel_for(n, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) ++visits[i];
  });
  EXPECT_EQ(visits, std::vector<int>(n, 1));
}

TEST(ThreadPoolTest, LoopsInCloseSuccessionVisitEachIndexOnce) {
  ThreadPool pool(3);
  for (std::size_t i = 0; i < 2000; ++i) expect_each_index_once(pool, i % 50);
}

TEST(ThreadPoolTest, SleepingWorkersAreWoken) {
  ThreadPool pool(3);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    expect_each_index_once(pool, 40);
  }
}

TEST(ThreadPoolTest, CallersFromTwoThreadsTakeTurns) {
  ThreadPool pool(2);
  std::thread other([&] {
    for (int i = 0; i < 500; ++i) expect_each_index_once(pool, 30);
  });
  for (int i = 0; i < 500; ++i) expect_each_index_once(pool, 30);
  other.join();
}

}  // namespace
}  // namespace toccata
