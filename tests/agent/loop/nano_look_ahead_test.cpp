// The built-in model draws the same tokens whether or not a fork of its session looks ahead.
#include <gtest/gtest.h>

#include <atomic>

#include "agent/loop/agent.h"
#include "agent/model/nano.h"
#include "agent/store/ledger.h"
#include "prompts/prompts.h"
#include "tests/support/watched_model.h"
#include "tests/support/watched_tool.h"

namespace toccata::agent {
namespace {

// With a tool that keeps the run waiting until its fork is over.
class NanoLookAheadTest : public ::testing::TestWithParam<float> {};

TEST_P(NanoLookAheadTest, SamplesTheSameTokens) {
  const auto nano = load_nano().value_or_throw();
  int n_sampled_by_forks = 0;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    std::vector<Tokens> logs;
    for (const int calls_max : {0, 8}) {
      testing::WatchedModel model(*nano);
      testing::CallWatch watch;
      tools::Registry registry;
      tools::ToolSpec spec;
      spec.name_space = "python";
      spec.description = std::string(prompts::python_tool());
      spec.placement = tools::Placement::kSystem;
      spec.effect = tools::Effect::kPure;
      spec.concurrent = true;
      std::atomic<int> n_calls = 0;
      registry.add(std::make_unique<testing::WatchedTool>(spec, watch, [&](const tools::ToolCall& call, std::stop_token) {
        // What is called ahead comes second and does not wait.
        if (calls_max > 0 && n_calls++ == 0) { EXPECT_TRUE(model.wait_for_forks(1)); }
        return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "47104106", "{}"};
      }));
      const auto ledger = store::Ledger::open(":memory:").value_or_throw();
      AgentConfig config;
      config.look_ahead = {.calls_max = calls_max, .after = std::chrono::milliseconds(0), .tokens_max = 60};
      config.sampling = {.temperature = GetParam(), .seed = seed};
      config.limits.max_turns = 4;
      config.limits.step_tokens_max = 200;
      Agent agent(model, registry, *ledger, config);
      const RunOutcome outcome = agent.run("What is 48213 * 977 + 5?");
      logs.push_back(ledger->load_run(outcome.run_id).value_or_throw().timeline());
      n_sampled_by_forks += model.n_sampled_by_forks();
    }
    EXPECT_EQ(logs[0], logs[1]);
  }
  EXPECT_GT(n_sampled_by_forks, 0);
}
INSTANTIATE_TEST_SUITE_P(Temperatures, NanoLookAheadTest, ::testing::Values(0.0F, 1.0F));

}  // namespace
}  // namespace toccata::agent
