// The cost of one agent step (one model call, one call of a tool that does nothing) without a model: rendering, parsing,
// events and the ledger.
//   loop_bench --benchmark_filter=. ; CPU time per item is CPU time per step. Target: 60 us.
#include <benchmark/benchmark.h>

#include "agent/loop/agent.h"
#include "agent/loop/events_json.h"
#include "tests/support/fake_tool.h"
#include "tests/support/scripted_model.h"
#include "tests/support/temp_folder.h"

namespace toccata::agent {
namespace {

constexpr int kSteps = 200;

void run_steps(benchmark::State& state, const std::string& ledger_path) {
  auto ledger = store::Ledger::open(ledger_path).value_or_throw();
  std::vector<std::string> texts(
      kSteps, testing::thinks("I should look again.") + testing::calls("functions.now", "{}")
  );
  texts.push_back(testing::says_final("done"));
  const auto model = testing::scripted_model(texts);
  std::size_t n_bytes = 0;
  for (auto _ : state) {
    tools::Registry registry;
    registry.add(testing::fake_functions([n = 0](
                                             const tools::ToolCall& call, std::stop_token
                                         ) mutable {
      return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, std::to_string(n++), "{}"};
    }));
    AgentConfig config;
    config.limits.max_turns = kSteps + 1;
    Agent agent(*model, registry, *ledger, config, [&](const Event& event) {
      n_bytes += json_line(event).size() + 1;
    });
    if (agent.run("go").exit_code != 0) state.SkipWithError("the run failed");
  }
  state.SetItemsProcessed(state.iterations() * kSteps);
  state.counters["event_bytes/step"] =
      static_cast<double>(n_bytes) / static_cast<double>(state.iterations() * kSteps);
}

void BM_StepWithLedgerInAFile(benchmark::State& state) {
  const testing::TempFolder folder;
  run_steps(state, (folder / "ledger.db").string());
}
BENCHMARK(BM_StepWithLedgerInAFile)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

void BM_StepWithLedgerInMemory(benchmark::State& state) { run_steps(state, ":memory:"); }
BENCHMARK(BM_StepWithLedgerInMemory)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

}  // namespace
}  // namespace toccata::agent

BENCHMARK_MAIN();
