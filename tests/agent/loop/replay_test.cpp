// A recorded run, sampled again: the same tokens, on one thread and on two.
#include <gtest/gtest.h>

#include "tests/support/nano_runs.h"
#include "tests/support/temp_folder.h"

namespace toccata::agent {
namespace {

std::unique_ptr<TokenModel> nano(int n_threads) {
  return load_nano({.device = EngineDevice::kCpu, .n_threads = n_threads}).value_or_throw();
}

TEST(ReplayTest, NanoSaysTheSameTokensOnOneThreadAndOnTwo) {
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto one = nano(1), two = nano(2);
  for (int n = 0; n < 4; ++n) {
    const auto run = ledger->load_run(testing::record_nano_run(*two, *ledger, n)).value_or_throw();
    for (TokenModel* model : {one.get(), two.get()}) {
      const auto report = replay_tokens(*model, run, testing::nano_sampling(n)).value_or_throw();
      EXPECT_FALSE(report.divergence) << "run " << n << ", token " << report.divergence->position;
      EXPECT_GT(report.n_compared, 10);
    }
  }
}

TEST(ReplayTest, NamesTheFirstTokenThatDiffers) {
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto model = nano(1);
  auto run = ledger->load_run(testing::record_nano_run(*model, *ledger, 1)).value_or_throw();
  std::int64_t position = 0;
  for (store::Segment& segment : run.segments) {
    if (segment.kind == store::SegmentKind::kSampled && segment.tokens.size() > 3) {
      position += 3;
      segment.tokens[3] ^= 1;
      break;
    }
    position += std::ssize(segment.tokens);
  }
  const auto report = replay_tokens(*model, run, testing::nano_sampling(1)).value_or_throw();
  ASSERT_TRUE(report.divergence);
  EXPECT_EQ(report.divergence->position, position);
  EXPECT_EQ(report.divergence->recorded ^ 1, report.divergence->sampled);
}

}  // namespace
}  // namespace toccata::agent
