// Records runs of nano and samples them again on one thread and on two: are the tokens the same?
//   replay_soak [runs]      default 100; exit 1 when a token differs
#include <cstdio>
#include <cstdlib>

#include "tests/support/nano_runs.h"
#include "tests/support/temp_folder.h"

int main(int argc, char** argv) {
  using namespace toccata;
  const int n_runs = argc > 1 ? std::atoi(argv[1]) : 100;
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto load = [](int n_threads) {
    return agent::load_nano({.device = agent::EngineDevice::kCpu, .n_threads = n_threads}).value_or_throw();
  };
  const auto one = load(1), two = load(2);
  int n_different = 0;
  long n_tokens = 0;
  for (int n = 0; n < n_runs; ++n) {
    agent::TokenModel& recorder = n % 2 == 0 ? *one : *two;
    const auto run = ledger->load_run(testing::record_nano_run(recorder, *ledger, n)).value_or_throw();
    for (agent::TokenModel* model : {one.get(), two.get()}) {
      const auto report = agent::replay_tokens(*model, run, testing::nano_sampling(n)).value_or_throw();
      n_tokens += report.n_compared;
      if (report.divergence) ++n_different;
    }
  }
  std::printf("%d runs, replayed on 1 and on 2 threads: %ld tokens compared, %d replays differ\n", n_runs, n_tokens, n_different);
  return n_different == 0 ? 0 : 1;
}
