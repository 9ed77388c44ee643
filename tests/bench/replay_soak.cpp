// Records runs of nano and samples them again: alone and sixteen at a time in one batch, on one thread and on two. Are the
// tokens the same?
//   replay_soak [runs]      default 100; exit 1 when a token differs
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/support/nano_runs.h"
#include "tests/support/temp_folder.h"

namespace {

using namespace toccata;

constexpr std::size_t kBatch = 16;

struct Tally {
  long n_tokens = 0;
  int n_different = 0;
  void add(Result<agent::ReplayReport> result) {
    const agent::ReplayReport report = std::move(result).value_or_throw();
    n_tokens += report.n_compared;
    if (report.divergence) ++n_different;
  }
};

int report(const char* how, int n_runs, const Tally& tally, std::chrono::steady_clock::time_point begin) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-28s %d runs, %ld sampled tokens compared, %d runs differ, %.1f s\n", how, n_runs, tally.n_tokens, tally.n_different, took.count());
  return tally.n_different;
}

}  // namespace

int main(int argc, char** argv) {
  const int n_runs = argc > 1 ? std::atoi(argv[1]) : 100;
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto load = [](int n_threads) {
    return agent::load_nano({.device = agent::EngineDevice::kCpu, .n_threads = n_threads}).value_or_throw();
  };
  const auto one = load(1), two = load(2);
  std::vector<store::RunRecord> runs;
  for (int n = 0; n < n_runs; ++n) {
    agent::TokenModel& recorder = n % 2 == 0 ? *one : *two;
    runs.push_back(ledger->load_run(testing::record_nano_run(recorder, *ledger, n)).value_or_throw());
  }
  int n_different = 0;
  for (const auto& [n_threads, model] : {std::pair{1, one.get()}, std::pair{2, two.get()}}) {
    const std::string threads = n_threads == 1 ? "1 thread" : "2 threads";
    auto begin = std::chrono::steady_clock::now();
    Tally alone, together;
    for (int n = 0; n < n_runs; ++n) {
      alone.add(agent::replay_tokens(*model, runs[static_cast<std::size_t>(n)], testing::nano_sampling(n)));
    }
    n_different += report(("alone, " + threads + ":").c_str(), n_runs, alone, begin);
    begin = std::chrono::steady_clock::now();
    for (std::size_t first = 0; first < runs.size(); first += kBatch) {
      const auto some = std::span(runs).subspan(first, std::min(kBatch, runs.size() - first));
      for (const auto& result : testing::replay_together(*model, some, static_cast<int>(first))) together.add(result);
    }
    n_different += report(("16 at a time, " + threads + ":").c_str(), n_runs, together, begin);
  }
  return n_different == 0 ? 0 : 1;
}
