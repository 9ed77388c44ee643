// Several candidates for one answer.
#include "agent/loop/best_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::calls;
using testing::says_final;
using testing::thinks;

std::vector<Candidate> candidates_of(const std::vector<std::string>& answers) {
  std::vector<Candidate> candidates;
  for (const std::string& answer : answers) candidates.push_back({static_cast<int>(candidates.size()) + 1, "", 0, answer});
  return candidates;
}

TEST(NormalAnswerTest, SpellingsOfOneAnswerAreOne) {
  EXPECT_EQ(normal_answer("  **Paris**. "), "paris");
  EXPECT_EQ(normal_answer("the  Big\nApple"), "the big apple");
  EXPECT_EQ(normal_answer("1,000.50"), "1000.5");
  EXPECT_EQ(normal_answer("1,234,567"), "1234567");
  EXPECT_EQ(normal_answer("-007"), "-7");
  EXPECT_EQ(normal_answer("-0.0"), "0");
  EXPECT_EQ(normal_answer("$42$"), "42");
  EXPECT_EQ(normal_answer("1,2"), "1,2") << "a list is no number";
  EXPECT_EQ(normal_answer("10"), "10");
  EXPECT_EQ(normal_answer(".5"), "5");  // the full stop goes with the marks around a text
  EXPECT_EQ(normal_answer(""), "");
  EXPECT_EQ(normal_answer("..."), "");
}

TEST(MajorityTest, TheAnswerOfMostWinsAndOfEqualsTheFirst) {
  EXPECT_FALSE(majority({}));
  EXPECT_EQ(majority(candidates_of({"a", "B", "b."}))->number, 2);
  EXPECT_EQ(majority(candidates_of({"a", "B", "b."}))->n_votes, 2);
  EXPECT_EQ(majority(candidates_of({"z", "y", "x"}))->number, 1);
}

TEST(JudgeTest, TakesOnlyNumbersOfCandidates) {
  const auto candidates = candidates_of({"a", "b"});
  EXPECT_EQ(judged_best(R"({"best": 2})", candidates).value_or_throw(), 2);
  for (const char* odd : {R"({"best": 3})", R"({"best": "2"})", "2", "", R"({"better": 2})"}) EXPECT_FALSE(judged_best(odd, candidates)) << odd;
  EXPECT_THAT(judge_prompt("What?", candidates), HasSubstr("Answer 2:\nb\n"));
}

class BestOfTest : public LoopTest {
 protected:
  void script_candidates(const std::vector<std::vector<std::string>>& texts, std::vector<std::string> judge = {}) {
    agent_.reset();
    std::vector<ScriptedBranch> branches;
    if (!judge.empty()) branches.push_back({.when = "Several answers", .seed = {}, .completions = completions_of(judge)});
    for (std::size_t i = 0; i < texts.size(); ++i) {
      branches.push_back({.when = "", .seed = 100 + i, .completions = completions_of(texts[i])});
    }
    model_ = std::make_unique<ScriptedModel>(
        tokenizer::Tokenizer::o200k_harmony(), std::vector<ScriptedCompletion>{}, ScriptedOptions{}, std::move(branches)
    );
    config_.sampling.seed = 100;
    config_.params = R"({"seed":100})";
    config_.best_of.n = static_cast<int>(texts.size());
  }
  static std::vector<ScriptedCompletion> completions_of(const std::vector<std::string>& texts) {
    std::vector<ScriptedCompletion> completions;
    for (const std::string& text : texts) completions.push_back({.text = text});
    return completions;
  }
};

TEST_F(BestOfTest, TheMajoritysAnswerIsTheRuns) {
  script_candidates({{says_final("41")}, {thinks("let me see") + says_final("**42**")}, {says_final("42.")}});
  const RunOutcome outcome = run("What is 6 times 7?");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.final, "**42**");
  const store::RunRecord parent = record();
  ASSERT_EQ(parent.children.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    const store::RunSummary& child = parent.children[static_cast<std::size_t>(i)];
    EXPECT_EQ(child.caller, (store::Caller{outcome.run_id, 0, i + 1}));
    EXPECT_EQ(child.task, "What is 6 times 7?");
    const auto params = nlohmann::json::parse(ledger_->load_run(child.id).value_or_throw().params);
    EXPECT_EQ(params.at("seed"), 100 + i);
  }
  EXPECT_THAT(parent.notes.back().detail, HasSubstr(R"("candidate":2)"));
  EXPECT_THAT(parent.notes.back().detail, HasSubstr("majority, 2 of 3"));
  // The winner's words stand in the parent's log, as if it had said them.
  EXPECT_EQ(parent.timeline(), ledger_->load_run(parent.children[1].id).value_or_throw().timeline());
  EXPECT_EQ(parent.messages.back().content, "**42**");
  EXPECT_EQ(outcome.usage.output_tokens > 0, true);
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(BestOfTest, TheNextTurnStandsOnTheAnswerThatWasChosen) {
  script_candidates(
      {{says_final("a"), says_final("second a")}, {says_final("b"), says_final("second b")}, {says_final("b"), says_final("second b")}}
  );
  EXPECT_EQ(run("first").final, "b");
  const RunOutcome second = run("second");
  // Their scripts go on behind what stands in the log: only b was said there.
  EXPECT_EQ(second.final, "second b");
  EXPECT_EQ(record().children.size(), 6U);
  EXPECT_THAT(log_text(), HasSubstr("<|channel|>final<|message|>b<|end|><|start|>user<|message|>second<|end|>"));
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(BestOfTest, TheFirstValidOneIsTakenAndTheRestStopped) {
  config_.best_of.judge = BestOf::Judge::kFirstValid;
  config_.output_schema = OutputSchema::parse(R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]})").value_or_throw();
  script_candidates({{says_final("no JSON"), says_final("still none")}, {says_final(R"({"n":2})")}, {}});
  std::vector<ScriptedBranch> branches;
  agent_.reset();
  model_ = std::make_unique<ScriptedModel>(
      tokenizer::Tokenizer::o200k_harmony(), std::vector<ScriptedCompletion>{}, ScriptedOptions{},
      std::vector<ScriptedBranch>{
          {.when = "", .seed = 100, .completions = completions_of({says_final("no JSON"), says_final("still none")})},
          {.when = "", .seed = 101, .completions = completions_of({says_final(R"({"n":2})")})},
          {.when = "", .seed = 102, .completions = {{.text = thinks("for ever"), .then = ScriptedCompletion::Then::kHang}}}}
  );
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.final, R"({"n":2})");
  EXPECT_EQ(record().children[0].terminal_reason, "schema_unmet");
  EXPECT_EQ(record().children[2].terminal_reason, "stopped");
}

TEST_F(BestOfTest, AModelJudges) {
  config_.best_of.judge = BestOf::Judge::kModel;
  script_candidates({{says_final("a")}, {says_final("b")}}, {says_final(R"({"best": 2})")});
  EXPECT_EQ(run("go").final, "b");
  ASSERT_EQ(record().children.size(), 3U);
  EXPECT_THAT(record().children[2].task, HasSubstr("Answer 1:\na\n"));

  script_candidates({{says_final("a")}, {says_final("b")}}, {says_final("the second"), says_final("I said so")});
  EXPECT_EQ(run("go").final, "a") << "the majority decides where the judge cannot be followed";
  bool told = false;
  for (const store::NoteRow& note : record().notes) told = told || note.detail.find("could not be followed") != std::string::npos;
  EXPECT_TRUE(told);
}

TEST_F(BestOfTest, AProgramJudges) {
  config_.best_of.judge = BestOf::Judge::kProgram;
  config_.best_of.ask = [](const std::string& task, const std::vector<Candidate>& candidates) -> Result<int> {
    EXPECT_EQ(task, "go");
    return candidates.back().number;
  };
  script_candidates({{says_final("a")}, {says_final("a")}, {says_final("c")}});
  EXPECT_EQ(run("go").final, "c");
}

TEST_F(BestOfTest, WithoutAnAnswerTheRunEndsAsItsCandidates) {
  script_candidates({{thinks("hm")}, {thinks("hm")}});
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.exit_code, 7) << outcome.message;
  EXPECT_THAT(outcome.message, StartsWith("none of 2 candidates has an answer"));
}

TEST_F(BestOfTest, CandidatesShareOneBudget) {
  script_candidates({{says_final("one two three four five six")}, {says_final("one two three four five six")}});
  EXPECT_EQ(run("go").exit_code, 0);
  std::int64_t spent = agent_->session_usage().appended;
  for (const store::RunSummary& child : record().children) {
    for (const store::StepRow& step : ledger_->load_run(child.id).value_or_throw().steps) spent += step.prefilled + step.decoded;
  }
  const Tokens adopted = record().segments.back().tokens;
  spent -= std::ssize(adopted);  // said by a candidate, and counted there
  for (const std::int64_t missing : {1, 3, 6}) {
    agent_.reset();
    config_.limits.budget_tokens = spent - missing;
    (void)run("go");
    std::int64_t now = 0;
    for (const store::RunSummary& child : record().children) {
      for (const store::StepRow& step : ledger_->load_run(child.id).value_or_throw().steps) now += step.prefilled + step.decoded;
    }
    EXPECT_LE(now, config_.limits.budget_tokens);
  }
}

}  // namespace
}  // namespace toccata::agent
