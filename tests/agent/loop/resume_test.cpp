// Runs that were cut off go on where they stood.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/agent/loop/loop_fixture.h"
#include "tests/support/crash_harness.h"

namespace toccata::agent {
namespace {

using ::testing::HasSubstr;
using testing::answering;
using testing::calls;
using testing::CrashHarness;
using testing::Fault;
using testing::FaultyDisk;
using testing::says_final;
using testing::thinks;

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// Every run of the harness passes more: how many depends on what is told, and so committed, after 25 ms.
constexpr long kPointsMin = 6 * CrashHarness::kSteps;

// A sample; tests/bench/crash_soak goes through every point.
class CrashTest : public ::testing::TestWithParam<Fault> {};

TEST_P(CrashTest, NothingIsLostAndNothingIsDoneTwice) {
  const CrashHarness harness;
  {
    const testing::TempFolder folder;
    ASSERT_GT(harness.run_child(folder.path(), Fault::kNone, 0).n_points, kPointsMin);
  }
  std::mt19937 random(8);
  for (int trial = 0; trial < 12; ++trial) {
    const testing::TempFolder folder;
    const long at = 1 + static_cast<long>(random() % static_cast<unsigned long>(kPointsMin));
    EXPECT_TRUE(harness.run_child(folder.path(), GetParam(), at, 1 + trial % 7).killed);
    // Every other one is killed while it resumes as well.
    if (trial % 2 == 1) {
      harness.run_child(folder.path(), GetParam(), 1 + static_cast<long>(random() % 60));
    }
    const RunOutcome outcome = harness.run_here(folder.path());
    const auto defects = harness.defects(folder.path(), outcome);
    EXPECT_TRUE(defects.empty()) << "killed at point " << at << ":\n" << all(defects);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kills,
    CrashTest,
    ::testing::Values(Fault::kKillBefore, Fault::kKillInTheMiddle, Fault::kKillAfter),
    [](const auto& param) {
      if (param.param == Fault::kKillBefore) return "Before";
      return param.param == Fault::kKillAfter ? "After" : "InTheMiddle";
    }
);

class DiskTest : public ::testing::TestWithParam<Fault> {};

TEST_P(DiskTest, AFailingDiskEndsTheRunClearlyAndHarmsNothing) {
  const CrashHarness harness;
  for (const long at : {7L, 20L, 45L, 70L, 95L, 120L}) {
    const testing::TempFolder folder;
    FaultyDisk::arm(GetParam(), at);
    const RunOutcome outcome = harness.run_here(folder.path());
    FaultyDisk::arm(Fault::kNone, 0);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.message, HasSubstr("ledger.db"));
    EXPECT_THAT(
        outcome.message,
        HasSubstr(GetParam() == Fault::kDiskFull ? "free some space" : "must be writable")
    );
    // With space again the run goes on to its end.
    const RunOutcome resumed = harness.run_here(folder.path());
    const auto defects = harness.defects(folder.path(), resumed);
    EXPECT_TRUE(defects.empty()) << "failed at point " << at << ":\n" << all(defects);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Faults, DiskTest, ::testing::Values(Fault::kDiskFull, Fault::kReadOnly), [](const auto& param) {
      return param.param == Fault::kDiskFull ? "Full" : "ReadOnly";
    }
);

class ResumeTest : public LoopTest {
 protected:
  RunOutcome resume(std::optional<std::string_view> message = std::nullopt) {
    const std::string id = ledger_->list_runs(1).front().id;
    agent_.reset();
    events_.clear();
    agent_.emplace(*model_, registry_, *ledger_, config_, [this](const Event& event) {
      events_.push_back(event);
    });
    return agent_->resume(id, message);
  }
};

TEST_F(ResumeTest, AMessageCutOffByALimitGoesOnInTheMiddle) {
  add(testing::fake_functions(answering("3")));
  script_texts({thinks("one two three four five") + says_final("six seven eight")});
  config_.limits.step_tokens_max = 5;
  EXPECT_EQ(run("go").terminal_reason, "step_tokens");
  config_.limits.step_tokens_max = 1000;
  const RunOutcome outcome = resume();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.message;
  EXPECT_EQ(outcome.final, "six seven eight");
  const store::RunRecord run = record();
  EXPECT_EQ(run.steps.size(), 1U);
  EXPECT_THAT(log_text(), ::testing::EndsWith("<|start|>assistant" + thinks("one two three four five") + says_final("six seven eight")));
  EXPECT_EQ(run.messages.back().content, "six seven eight");
  EXPECT_TRUE(run.messages[run.messages.size() - 2].complete);
  std::size_t n_sampled = 0;
  for (const store::Segment& segment : run.segments) {
    if (segment.kind == store::SegmentKind::kSampled) n_sampled += segment.tokens.size();
  }
  EXPECT_EQ(run.steps[0].decoded, n_sampled) << "of both processes";
  // Whoever watches the second process sees the whole message.
  const auto items = completed_items();
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(std::get<ReasoningItem>(items[0].details).text, "one two three four five");
  EXPECT_EQ(ledger_->check(), std::vector<std::string>());
}

TEST_F(ResumeTest, AnAnsweredRunGivesItsAnswerWithoutTheModel) {
  script_texts({says_final("4")});
  run("2+2?");
  script_texts({});
  const RunOutcome outcome = resume();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.final, "4");
  EXPECT_EQ(agent_->session_usage().decoded, 0);
}

TEST_F(ResumeTest, AFurtherMessageContinuesTheConversation) {
  script_texts({says_final("4"), says_final("5")});
  run("2+2?");
  const RunOutcome outcome = resume("and one more?");
  EXPECT_EQ(outcome.final, "5");
  EXPECT_EQ(
      log_text(),
      "<|start|>user<|message|>2+2?<|end|><|start|>assistant<|channel|>final<|message|>4<|end|>"
      "<|start|>user<|message|>and one more?<|end|><|start|>assistant<|channel|>final<|message|>5"
      "<|return|>"
  );
  EXPECT_EQ(ledger_->check(), std::vector<std::string>());
  EXPECT_EQ(run("third").terminal_reason, "model_error") << "run() may follow; the script has ended";
}

TEST_F(ResumeTest, AfterMaxTurnsItGoesOnWithTheNextStep) {
  add(testing::fake_functions(answering("3")));
  script_texts({calls("functions.now", "{}"), says_final("it is 3")});
  config_.limits.max_turns = 1;
  EXPECT_EQ(run("go").terminal_reason, "max_turns");
  EXPECT_EQ(resume().final, "it is 3");
  EXPECT_EQ(record().calls.size(), 1U);
}

TEST_F(ResumeTest, SaysWhatAStatefulToolHasForgotten) {
  auto tool = testing::fake_python(answering("ok"));
  tools::ToolSpec spec = tool->spec();
  spec.stateful = true;
  add(std::make_unique<testing::FakeTool>(spec, answering("ok")));
  script_texts(
      {testing::calls_python("x = 1"), testing::calls_python("x"), testing::calls_python("x + 1"),
       says_final("2")}
  );
  config_.limits.max_turns = 1;
  run("go");
  config_.limits.max_turns = 10;
  resume();
  const auto calls = record().calls;
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_THAT(calls[1].result->content, HasSubstr("is gone"));
  EXPECT_EQ(calls[2].result->content, "ok");
}

TEST_F(ResumeTest, RefusesARunThatIsNotThere) {
  script_texts({says_final("4")});
  Agent agent(*model_, registry_, *ledger_, config_, {});
  const RunOutcome outcome = agent.resume("nosuchrun");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.terminal_reason, "cannot_resume");
  EXPECT_THAT(outcome.message, HasSubstr("nosuchrun"));
}

TEST_F(ResumeTest, AForkGoesItsOwnWay) {
  add(testing::fake_functions(answering("3")));
  script_texts({calls("functions.now", "{}"), calls("functions.now", "{}"), says_final("it is 3")});
  const std::string first = run("go").run_id;
  const std::string fork = ledger_->fork_run(first, 1).value_or_throw();
  script_texts({calls("functions.now", "{}"), says_final("another answer")});
  Agent agent(*model_, registry_, *ledger_, config_, {});
  const RunOutcome outcome = agent.resume(fork);
  EXPECT_EQ(outcome.final, "another answer");
  const auto original = ledger_->load_run(first).value_or_throw();
  const auto forked = ledger_->load_run(fork).value_or_throw();
  EXPECT_EQ(original.final, "it is 3");
  EXPECT_EQ(forked.summary.parent, first);
  EXPECT_EQ(forked.summary.parent_step, 1);
  EXPECT_EQ(forked.steps.size(), 2U);
  EXPECT_EQ(ledger_->check(), std::vector<std::string>());
}

}  // namespace
}  // namespace toccata::agent
