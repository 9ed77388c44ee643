// A recorded run, sampled again: the same tokens, on one thread and on two.
#include <gtest/gtest.h>

#include <map>

#include "agent/loop/turn_rules.h"
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

// The engine puts what waits at the same time into one pass: the sessions must not notice each other.
TEST(ReplayTest, NanoSaysTheSameTokensAloneAndAmongSixteenSessions) {
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto one = nano(1), two = nano(2);
  std::vector<store::RunRecord> runs;
  for (int n = 0; n < 16; ++n) {
    runs.push_back(ledger->load_run(testing::record_nano_run(n % 2 == 0 ? *one : *two, *ledger, n)).value_or_throw());
  }
  for (TokenModel* model : {one.get(), two.get()}) {
    const auto reports = testing::replay_together(*model, runs);
    for (std::size_t n = 0; n < runs.size(); ++n) {
      ASSERT_TRUE(reports[n]) << reports[n].error().message;
      EXPECT_FALSE(reports[n]->divergence) << "run " << n << ", token " << reports[n]->divergence->position;
      EXPECT_GT(reports[n]->n_compared, 10);
    }
  }
}

// At a temperature at which the model writes next to anything: with masks it still makes valid calls only, what came
// without being sampled stands in the log like the rest, and the run can be replayed from what it recorded.
TEST(ReplayTest, MaskedRunsMakeValidCallsAndComeAgain) {
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto model = nano(2);
  int n_calls = 0;
  for (int n = 0; n < 12; ++n) {
    tools::Registry registry;
    registry.add(testing::fake_python(testing::answering("1")));
    registry.add(testing::fake_functions(testing::answering("2")));
    AgentConfig config;
    config.sampling = {.temperature = 1.6F, .seed = 77U + static_cast<unsigned>(n)};
    config.limits.max_turns = 4;
    config.limits.step_tokens_max = 120;
    auto rules = turn_rules(registry, std::nullopt);
    rules.must_call = n % 2 == 0;
    config.constraint = turn_constraint(*model, rules).value_or_throw();
    Agent agent(*model, registry, *ledger, config);
    const auto run = ledger->load_run(agent.run("Add 1 and 2.").run_id).value_or_throw();
    for (const store::CallRow& call : run.calls) {
      ++n_calls;
      ASSERT_TRUE(call.result);
      EXPECT_EQ(call.result->status, "ok") << call.intent.recipient << ": " << call.intent.arguments;
    }
    const Usage usage = agent.session_usage();
    EXPECT_LE(usage.prefilled, usage.appended);
    const auto report = replay_tokens(*model, run, config.sampling, config.constraint).value_or_throw();
    EXPECT_FALSE(report.divergence) << "run " << n << ", token " << report.divergence->position;
    EXPECT_GT(report.n_compared, 0);
  }
  EXPECT_GT(n_calls, 3);
}

// Cut off anywhere, also right behind tokens that were not sampled, a resumed run ends as the whole one did.
TEST(ReplayTest, MaskedRunsGoOnWhereTheyWereCutOff) {
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto model = nano(2);
  tools::Registry registry;
  registry.add(testing::fake_python(testing::answering("12")));
  AgentConfig config;
  config.sampling = {.temperature = 0.0F};
  config.output_schema = OutputSchema::parse(
      R"({"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"], "additionalProperties": false})"
  ).value_or_throw();
  config.constraint = turn_constraint(*model, turn_rules(registry, config.output_schema)).value_or_throw();
  const auto start = [&](std::int64_t step_tokens_max) {
    config.limits.step_tokens_max = step_tokens_max;
    Agent agent(*model, registry, *ledger, config);
    return ledger->load_run(agent.run("What is 7 + 5?").run_id).value_or_throw();
  };
  const auto whole = start(400);
  ASSERT_EQ(whole.final.substr(0, 1), "{");
  std::map<int, std::int64_t> n_of_step;
  std::int64_t n_step = 0;  // of the longest
  for (const store::Segment& segment : whole.segments) {
    if (segment.step > 0) n_step = std::max(n_step, n_of_step[segment.step] += std::ssize(segment.tokens));
  }
  for (std::int64_t cut = 1; cut < n_step; cut += 7) {
    const auto part = start(cut);
    config.limits.step_tokens_max = 400;
    Agent agent(*model, registry, *ledger, config);
    EXPECT_EQ(agent.resume(part.summary.id).final, whole.final);
    const auto resumed = ledger->load_run(part.summary.id).value_or_throw();
    EXPECT_EQ(resumed.timeline(), whole.timeline()) << "cut after " << cut;
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

// The real engine: candidates fork its keys and values, are decoded in one batch, and can each be replayed.
TEST(ReplayTest, CandidatesReadThePromptOnceAndEachComesAgain) {
  const testing::TempFolder folder;
  auto ledger = store::Ledger::open(folder / "ledger.db").value_or_throw();
  const auto model = nano(2);
  tools::Registry registry;
  AgentConfig config;
  config.sampling.seed = 7;
  config.sampling.temperature = 1.0F;
  config.limits.max_turns = 4;
  config.limits.step_tokens_max = 200;
  config.best_of.n = 4;
  Agent agent(*model, registry, *ledger, config);
  const RunOutcome outcome = agent.run("What is 12 + 30?");
  const store::RunRecord parent = ledger->load_run(outcome.run_id).value_or_throw();
  ASSERT_EQ(parent.children.size(), 4U);
  std::int64_t n_prompt = 0;
  for (const store::Segment& segment : parent.segments) {
    if (segment.kind == store::SegmentKind::kPrompt || segment.kind == store::SegmentKind::kUser) n_prompt += std::ssize(segment.tokens);
  }
  EXPECT_EQ(agent.session_usage().prefilled, n_prompt);
  for (std::size_t i = 0; i < 4; ++i) {
    const store::RunRecord child = ledger->load_run(parent.children[i].id).value_or_throw();
    std::int64_t prefilled = 0, suffix = 0;
    for (const store::StepRow& step : child.steps) prefilled += step.prefilled;
    for (const store::Segment& segment : child.segments) {
      if (segment.kind == store::SegmentKind::kForced || segment.kind == store::SegmentKind::kTool) suffix += std::ssize(segment.tokens);
    }
    EXPECT_LE(prefilled, suffix) << "a closing token at the very end is not read";
    EXPECT_GE(prefilled, 2);
    SamplingParams sampling = config.sampling;
    sampling.seed = 7 + i;
    const auto report = replay_tokens(*model, child, sampling).value_or_throw();
    EXPECT_FALSE(report.divergence) << "candidate " << i + 1 << ", token " << report.divergence->position;
    EXPECT_GT(report.n_compared, 3);
  }
  EXPECT_TRUE(ledger->check().empty());
}

}  // namespace
}  // namespace toccata::agent
