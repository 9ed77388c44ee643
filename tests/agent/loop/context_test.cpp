// What bounds a run, and what keeps its log short.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/loop/recall_tool.h"
#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::answering;
using testing::calls;
using testing::fake_functions;
using testing::says_final;
using testing::thinks;

class ContextTest : public LoopTest {
 protected:
  RunOutcome resume() {
    const std::string id = ledger_->list_runs(1).front().id;
    agent_.reset();
    agent_.emplace(*model_, registry_, *ledger_, config_, EventSink{});
    return agent_->resume(id);
  }
  // A tool whose every answer is another.
  std::shared_ptr<std::vector<tools::ToolCall>> add_counting(std::size_t n_bytes = 1) {
    return add(fake_functions([n = 0, n_bytes](const tools::ToolCall& call, std::stop_token) mutable {
      return tools::ToolResult{
          tools::ToolStatus::kOk, call.recipient, std::to_string(n++) + std::string(n_bytes, 'x'), "{}"};
    }));
  }
};

TEST_F(ContextTest, TooMuchReasoningIsCutAndTheAnswerOpened) {
  script_texts({thinks("one two three four five six seven eight"), "forty-two<|return|>"});
  config_.limits.reasoning_tokens_max = 4;
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.message;
  EXPECT_EQ(outcome.final, "forty-two");
  EXPECT_THAT(
      log_text(),
      ::testing::EndsWith(
          "<|channel|>analysis<|message|>one two three four<|end|><|start|>assistant<|channel|>final"
          "<|message|>forty-two<|return|>"
      )
  );
  EXPECT_EQ(outcome.usage.reasoning_output_tokens, 4);
}

TEST_F(ContextTest, ARunCutAfterForcedReasoningGoesOnInItsAnswer) {
  script_texts({thinks("one two three four five six seven eight"), "forty-two is it<|return|>"});
  config_.limits.reasoning_tokens_max = 4;
  config_.limits.step_tokens_max = 9;
  EXPECT_EQ(run("go").terminal_reason, "step_tokens");
  config_.limits.step_tokens_max = 1000;
  script_texts({"y-two is it<|return|>"});
  EXPECT_EQ(resume().final, "forty-two is it");
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(ContextTest, TheCallBudgetIsExactAndALargerOneGoesOn) {
  auto made = add_counting();
  std::vector<std::string> texts(4, calls("functions.now", "{}"));
  texts.push_back(says_final("done"));
  script_texts(texts);
  config_.limits.calls_max = 2;
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(outcome.terminal_reason, "budget");
  EXPECT_THAT(outcome.message, HasSubstr("2 tool calls"));
  EXPECT_EQ(made->size(), 2U);
  EXPECT_EQ(resume().terminal_reason, "budget") << "what was spent stays spent";
  EXPECT_EQ(made->size(), 2U);
  config_.limits.calls_max = 4;
  EXPECT_EQ(resume().final, "done");
  EXPECT_EQ(made->size(), 4U);
}

TEST_F(ContextTest, EachToolMayHaveItsOwnBudget) {
  auto made = add_counting();
  script_texts({calls("functions.now", "{}"), calls("functions.now", "{}"), says_final("x")});
  config_.limits.calls_of_max = {{"functions", 1}};
  EXPECT_THAT(run("go").message, HasSubstr("1 calls to functions"));
  EXPECT_EQ(made->size(), 1U);
}

TEST_F(ContextTest, BytesOfToolOutputAreBudgeted) {
  auto made = add_counting(1000);
  std::vector<std::string> texts(6, calls("functions.now", "{}"));
  script_texts(texts);
  config_.limits.tool_bytes_max = 2500;
  EXPECT_THAT(run("go").message, HasSubstr("2500 bytes"));
  EXPECT_EQ(made->size(), 3U) << "one call past the limit at most";
}

TEST_F(ContextTest, CpuTimeInTheSandboxIsBudgetedAndALargerBudgetGoesOn) {
  std::vector<std::chrono::microseconds> left;
  tools::ToolSpec spec{.name_space = "functions", .description = {}, .functions = {{"now", "The time.", ""}}};
  spec.in_sandbox = true;
  int n_calls = 0;
  auto made = add(std::make_unique<testing::FakeTool>(spec, [&](const tools::ToolCall& call, std::stop_token) {
    const auto used = std::chrono::milliseconds(400);
    left.push_back(call.charge_cpu(used));
    return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, std::to_string(++n_calls), "{}", {}, used};
  }));
  std::vector<std::string> texts(4, calls("functions.now", "{}"));
  texts.push_back(says_final("done"));
  script_texts(texts);
  config_.limits.sandbox_cpu_max = std::chrono::milliseconds(1000);
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(outcome.terminal_reason, "budget");
  EXPECT_THAT(outcome.message, HasSubstr("1 seconds of CPU time in the sandbox"));
  EXPECT_THAT(left, ::testing::ElementsAre(std::chrono::milliseconds(600), std::chrono::milliseconds(200), std::chrono::milliseconds(-200)));
  EXPECT_EQ(record().calls[0].result->sandbox_cpu_us, 400'000);
  EXPECT_EQ(completed_items()[0].sandbox_cpu_us, 400'000);
  EXPECT_EQ(resume().terminal_reason, "budget") << "what was spent stays spent";
  EXPECT_EQ(made->size(), 3U);
  config_.limits.sandbox_cpu_max = std::chrono::milliseconds(2000);
  EXPECT_EQ(resume().final, "done");
  EXPECT_EQ(record().summary.sandbox_cpu_us, 1'600'000);
}

TEST_F(ContextTest, AResultThatDoesNotFitTheTokenBudgetIsKeptForLater) {
  auto made = add(fake_functions(answering(std::string(5000, 'a') + " end")));
  script_texts({calls("functions.now", "{}"), says_final("seen")});
  config_.limits.budget_tokens = 400;
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.terminal_reason, "budget");
  const Usage usage = agent_->session_usage();
  EXPECT_LE(usage.appended + usage.decoded, 400);
  config_.limits.budget_tokens = 100'000;
  EXPECT_EQ(resume().final, "seen");
  EXPECT_EQ(made->size(), 1U) << "its recorded result was used";
  EXPECT_THAT(log_text(), HasSubstr(" end<|end|>"));
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(ContextTest, AModelThatRepeatsItselfFindsTheRepeatsGone) {
  auto made = add(fake_functions(answering("nothing new")));
  std::vector<std::string> texts(4, thinks("Again?") + calls("functions.now", "{}"));
  texts.push_back(says_final("I give up."));
  script_texts(texts);
  EXPECT_EQ(run("go").final, "I give up.");
  EXPECT_EQ(made->size(), 3U);
  const std::string log = log_text();
  EXPECT_EQ(log.find("functions.now <|constrain|>"), log.rfind("functions.now <|constrain|>"))
      << "one call is left:\n" << log;
  EXPECT_THAT(log, HasSubstr("gave the same result 3 times in a row"));
  EXPECT_EQ(record().calls.size(), 4U) << "the ledger forgets nothing";
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(ContextTest, TwoCallsThatTakeTurnsAreALoopToo) {
  auto made = add(fake_functions([](const tools::ToolCall& call, std::stop_token) {
    return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "as before: " + call.arguments, "{}"};
  }));
  std::vector<std::string> texts;
  for (int i = 0; i < 4; ++i) {
    texts.push_back(calls("functions.add", R"({"a":1,"b":2})"));
    texts.push_back(calls("functions.add", R"({"a":2,"b":1})"));
  }
  script_texts(texts);
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.terminal_reason, "repeated_calls");
  EXPECT_EQ(made->size(), 6U);
  EXPECT_LT(record().timeline().size(), 350U);
}

TEST_F(ContextTest, CutOutputsCanBeReadOn) {
  std::string output;
  for (int i = 0; i < 20'000; ++i) output += "line " + std::to_string(i) + "\n";
  add(fake_functions(answering(output)));
  registry_.add(std::make_unique<RecallTool>(*ledger_));
  config_.limits.tool_output_bytes_max = 2000;
  script_texts(
      {calls("functions.now", "{}"), calls("context.recall", R"({"call":1,"offset":100000,"bytes":200})"),
       calls("context.recall", R"({"call":7})"), says_final("read")}
  );
  EXPECT_EQ(run("go").final, "read");
  const auto made = record().calls;
  EXPECT_THAT(made[0].result->content, HasSubstr("context.recall {\"call\": 1} shows them"));
  EXPECT_THAT(made[1].result->content, HasSubstr(output.substr(100'000, 200)));
  EXPECT_THAT(made[1].result->content, HasSubstr("of " + std::to_string(output.size())));
  EXPECT_EQ(made[2].result->status, "failed");
  EXPECT_EQ(ledger_->call_output("last", 1).value_or_throw(), output);
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(ContextTest, ALogThatGrowsTooLongIsShortenedBeforeTheNextCall) {
  add_counting(4000);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back(thinks("Step " + std::to_string(i)) + calls("functions.now", "{}"));
  texts.push_back(says_final("done"));
  script(
      [&] {
        std::vector<ScriptedCompletion> completions;
        for (const auto& text : texts) completions.push_back({.text = text});
        return completions;
      }(),
      {.n_context = 6000}
  );
  const RunOutcome outcome = run("the goal");
  EXPECT_EQ(outcome.final, "done") << outcome.message;
  const store::RunRecord run = record();
  EXPECT_LT(run.timeline().size(), 5000U);
  EXPECT_THAT(log_text(), HasSubstr("the goal"));
  EXPECT_THAT(log_text(), HasSubstr("was left out to save room"));
  EXPECT_EQ(run.calls.size(), 40U);
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(ContextTest, AShortenedRunIsResumedLikeAnyOther) {
  add_counting(4000);
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) texts.push_back(thinks("Step " + std::to_string(i)) + calls("functions.now", "{}"));
  texts.push_back(says_final("done"));
  config_.limits.compact_at_tokens = 3000;
  // The scripted model finds its place by what it said, and compaction takes that away: the rest is a script of its own.
  script_texts(texts);
  config_.limits.max_turns = 12;
  EXPECT_EQ(run("the goal").terminal_reason, "max_turns");
  const auto before = record().timeline();
  script_texts({calls("functions.now", "{}"), says_final("done")});
  EXPECT_EQ(resume().final, "done");
  const auto after = record().timeline();
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));
}

TEST_F(ContextTest, FinishedReasoningIsLeftOutOfTheNextTurn) {
  script_texts({thinks("secret one") + says_final("a"), thinks("two") + says_final("b"), says_final("c")});
  run("first");
  EXPECT_THAT(log_text(), HasSubstr("secret one"));
  run("second");
  EXPECT_THAT(log_text(), Not(HasSubstr("secret one")));
  EXPECT_EQ(run("third").final, "c");
  EXPECT_EQ(
      log_text(),
      "<|start|>user<|message|>first<|end|><|start|>assistant<|channel|>final<|message|>a<|end|>"
      "<|start|>user<|message|>second<|end|><|start|>assistant<|channel|>final<|message|>b<|end|>"
      "<|start|>user<|message|>third<|end|><|start|>assistant<|channel|>final<|message|>c<|return|>"
  );
  EXPECT_THAT(ledger_->check(), IsEmpty());
  config_.drop_finished_reasoning = false;
  script_texts({thinks("kept") + says_final("a"), says_final("b")});
  run("first");
  run("second");
  EXPECT_THAT(log_text(), HasSubstr("kept"));
}

TEST_F(ContextTest, WhatTheUserAddsIsReadBeforeTheNextModelCall) {
  add(fake_functions([this](const tools::ToolCall& call, std::stop_token) {
    agent_->steer("in metres, please");
    return tools::ToolResult{tools::ToolStatus::kOk, call.recipient, "3 feet", "{}"};
  }));
  script_texts({calls("functions.now", "{}"), says_final("0.9 m")});
  EXPECT_EQ(run("how long?").final, "0.9 m");
  EXPECT_THAT(
      log_text(),
      HasSubstr("3 feet<|end|><|start|>user<|message|>in metres, please<|end|><|start|>assistant")
  );
}

}  // namespace
}  // namespace toccata::agent
