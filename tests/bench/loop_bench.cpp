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

// A model whose tokens are never at hand: each message is committed twice, at its first text and when it is whole.
class WaitedFor : public TokenModel {
 public:
  explicit WaitedFor(TokenModel& model) : model_(model) {}
  const std::string& name() const override { return model_.name(); }
  const Capabilities& capabilities() const override { return model_.capabilities(); }
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer() const override { return model_.tokenizer(); }
  Result<std::unique_ptr<TokenSession>> open_session() override {
    Result<std::unique_ptr<TokenSession>> session = model_.open_session();
    if (!session) return session.error();
    return std::unique_ptr<TokenSession>(std::make_unique<Session>(std::move(*session)));
  }

 private:
  class Session : public TokenSession {
   public:
    explicit Session(std::unique_ptr<TokenSession> session) : session_(std::move(session)) {}
    Result<void> append(std::span<const Token> tokens) override { return session_->append(tokens); }
    Result<Sampled> sample(const SamplingParams& params, std::optional<TokenMask> mask, std::stop_token stop) override {
      return session_->sample(params, mask, std::move(stop));
    }
    Result<std::unique_ptr<TokenSession>> fork() override { return session_->fork(); }
    Result<Checkpoint> checkpoint() override { return session_->checkpoint(); }
    Result<void> rollback(const Checkpoint& checkpoint) override { return session_->rollback(checkpoint); }
    std::int64_t n_tokens() const override { return session_->n_tokens(); }
    const Usage& usage() const override { return session_->usage(); }

   private:
    std::unique_ptr<TokenSession> session_;
  };
  TokenModel& model_;
};

struct Shape {
  std::string ledger_path = ":memory:";
  std::size_t result_bytes = 1;
  bool waited_for = false;
};

void run_steps(benchmark::State& state, const Shape& shape) {
  auto ledger = store::Ledger::open(shape.ledger_path).value_or_throw();
  std::vector<std::string> texts(
      kSteps, testing::thinks("I should look again.") + testing::calls("functions.now", "{}")
  );
  texts.push_back(testing::says_final("done"));
  const auto model = testing::scripted_model(texts);
  WaitedFor slow(*model);
  TokenModel& asked = shape.waited_for ? static_cast<TokenModel&>(slow) : *model;
  std::size_t n_bytes = 0;
  int n_runs = 0;
  for (auto _ : state) {
    tools::Registry registry;
    // No result is like another, so that none is stored but once.
    const std::string before = std::to_string(++n_runs) + std::string(shape.result_bytes, ' ');
    registry.add(testing::fake_functions([&, n = 0](const tools::ToolCall& call, std::stop_token) mutable {
      const std::string result = shape.result_bytes > 1 ? before + std::to_string(n++) : std::to_string(n++);
      return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, result, "{}"};
    }));
    AgentConfig config;
    config.limits.max_turns = kSteps + 1;
    config.limits.compact_at_tokens = 1'000'000'000;
    Agent agent(asked, registry, *ledger, config, [&](const Event& event) {
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
  run_steps(state, {.ledger_path = (folder / "ledger.db").string()});
}
BENCHMARK(BM_StepWithLedgerInAFile)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

void BM_StepWithLedgerInMemory(benchmark::State& state) { run_steps(state, {}); }
BENCHMARK(BM_StepWithLedgerInMemory)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

void BM_StepOfAModelThatIsWaitedFor(benchmark::State& state) {
  const testing::TempFolder folder;
  run_steps(state, {.ledger_path = (folder / "ledger.db").string(), .waited_for = true});
}
BENCHMARK(BM_StepOfAModelThatIsWaitedFor)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

void BM_StepWithAResultOfBytes(benchmark::State& state) {
  const testing::TempFolder folder;
  run_steps(state, {.ledger_path = (folder / "ledger.db").string(), .result_bytes = static_cast<std::size_t>(state.range(0))});
}
BENCHMARK(BM_StepWithAResultOfBytes)->Arg(400)->Arg(4096)->Arg(16384)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();

}  // namespace
}  // namespace toccata::agent

BENCHMARK_MAIN();
