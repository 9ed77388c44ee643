// kill -9 of runs that make others. tests/bench/crash_soak goes through every point; this is a sample.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/family_harness.h"

namespace toccata::agent {
namespace {

using testing::Fault;
using testing::FamilyHarness;

class FamilyCrashTest : public ::testing::TestWithParam<FamilyHarness::Kind> {};

TEST_P(FamilyCrashTest, NothingIsLostAndNothingIsDoneTwice) {
  const FamilyHarness harness(GetParam());
  long n_points = 0;
  {
    const testing::TempFolder folder;
    n_points = harness.run_child(folder.path(), Fault::kNone, 0).n_points;
    ASSERT_GT(n_points, 60);
  }
  std::mt19937 random(11);
  int n_killed = 0;
  for (int trial = 0; trial < 24; ++trial) {
    const testing::TempFolder folder;
    const long at = 1 + static_cast<long>(random() % static_cast<unsigned long>(n_points));
    const Fault faults[] = {Fault::kKillBefore, Fault::kKillInTheMiddle, Fault::kKillAfter};
    n_killed += harness.run_child(folder.path(), faults[trial % 3], at).killed ? 1 : 0;
    // Every other one is killed while it resumes as well.
    if (trial % 2 == 1) harness.run_child(folder.path(), Fault::kKillAfter, 1 + static_cast<long>(random() % 40));
    const RunOutcome outcome = harness.run_here(folder.path());
    std::string all;
    for (const std::string& defect : harness.defects(folder.path(), outcome)) all += defect + "\n";
    EXPECT_EQ(all, "") << "killed at point " << at;
  }
  EXPECT_GT(n_killed, 18);
}

INSTANTIATE_TEST_SUITE_P(
    Families,
    FamilyCrashTest,
    ::testing::Values(FamilyHarness::Kind::kSubAgents, FamilyHarness::Kind::kCandidates),
    [](const auto& param) { return param.param == FamilyHarness::Kind::kSubAgents ? "SubAgents" : "Candidates"; }
);

}  // namespace
}  // namespace toccata::agent
