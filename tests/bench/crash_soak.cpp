// Kills runs at every point where they change the ledger's files and around every tool call, before, after and in the
// middle of the change, resumes them, and checks that nothing was lost or done twice: a run of 30 steps, a run with
// sub-agents, a run with candidates for its answer.
//   crash_soak [stride] [steps|sub-agents|candidates]      every stride-th point (default 1) of one kind or all; exit 1 when
//                                                          there was any defect
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/support/crash_harness.h"
#include "tests/support/family_harness.h"

namespace toccata::testing {
namespace {

// How many runs were defective.
template <class Harness>
long soak(const char* name, const Harness& harness, long stride) {
  long n_points = 0;
  {
    const TempFolder folder;
    n_points = harness.run_child(folder.path(), Fault::kNone, 0).n_points;
  }
  long n_kills = 0, n_defective = 0;
  // A commit is one write of many frames: it is cut in each of its eighths.
  for (int eighths = 0; eighths <= 8; ++eighths) {
    const Fault fault = eighths == 0 ? Fault::kKillBefore : eighths == 8 ? Fault::kKillAfter : Fault::kKillInTheMiddle;
    for (long at = 1 + eighths % stride; at <= n_points; at += stride) {
      const TempFolder folder;
      if (!harness.run_child(folder.path(), fault, at, eighths).killed) continue;
      ++n_kills;
      const auto outcome = harness.run_here(folder.path());
      const auto defects = harness.defects(folder.path(), outcome);
      if (!defects.empty()) ++n_defective;
      for (const std::string& defect : defects) {
        std::printf("%s, killed at point %ld of %ld: %s\n", name, at, n_points, defect.c_str());
      }
    }
  }
  std::printf(
      "%s: %ld points, %ld kills, each resumed to the same answer: %ld runs with a lost row or a doubled effect\n", name,
      n_points, n_kills, n_defective
  );
  return n_defective;
}

}  // namespace
}  // namespace toccata::testing

int main(int argc, char** argv) {
  using namespace toccata::testing;
  const long stride = argc > 1 ? std::max(1L, std::atol(argv[1])) : 1;
  const std::string_view only = argc > 2 ? argv[2] : "";
  const auto wants = [&](std::string_view kind) { return only.empty() || only == kind; };
  long n_defective = 0;
  if (wants("steps")) n_defective += soak("30 steps", CrashHarness(), stride);
  if (wants("sub-agents")) n_defective += soak("sub-agents", FamilyHarness(FamilyHarness::Kind::kSubAgents), stride);
  if (wants("candidates")) n_defective += soak("candidates", FamilyHarness(FamilyHarness::Kind::kCandidates), stride);
  return n_defective == 0 ? 0 : 1;
}
