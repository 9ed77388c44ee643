// Calls that a person decides about.
#include "agent/loop/approval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using testing::answering;
using testing::calls;
using testing::fake_functions;
using ::testing::HasSubstr;
using testing::says_final;

class ApprovalTest : public LoopTest {
 protected:
  void SetUp() override {
    tools::ToolSpec spec = fake_functions(answering(""))->spec();
    spec.needs_approval = true;
    made_ = add(std::make_unique<testing::FakeTool>(spec, answering("sent")));
    script_texts({calls("functions.now", R"({"x":1})"), says_final("ok")});
  }
  std::shared_ptr<std::vector<tools::ToolCall>> made_;
};

TEST_F(ApprovalTest, WithNobodyToAskTheRunEnds) {
  const RunOutcome outcome = run("go");
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_EQ(outcome.terminal_reason, "approval_needed");
  EXPECT_TRUE(made_->empty());
}

// Left, the call is the last word of the log; resumed, it is asked for again and made once.
TEST_F(ApprovalTest, ARunThatWaitsIsResumedWithTheSameQuestion) {
  config_.approval.mode = ApprovalPolicy::Mode::kOnRequest;
  Decision decision = Decision::kLater;
  int n_asked = 0;
  config_.approval.ask = [&](const ApprovalRequest&) { return ++n_asked, decision; };
  const RunOutcome left = run("go");
  EXPECT_EQ(left.exit_code, 5);
  EXPECT_EQ(left.terminal_reason, "approval_needed");
  EXPECT_TRUE(record().calls.empty());
  EXPECT_THAT(log_text(), ::testing::EndsWith(R"({"x":1}<|call|>)"));
  EXPECT_EQ(record().notes.back().detail, "waiting: functions.now");
  for (const Decision next : {Decision::kLater, Decision::kApprove}) {
    decision = next;
    agent_.emplace(*model_, registry_, *ledger_, config_);
    const RunOutcome outcome = agent_->resume(left.run_id);
    EXPECT_EQ(outcome.terminal_reason, next == Decision::kApprove ? "final" : "approval_needed") << outcome.message;
  }
  EXPECT_EQ(n_asked, 3);
  EXPECT_EQ(made_->size(), 1U);
  const auto whole = ledger_->load_run(left.run_id).value_or_throw();
  EXPECT_EQ(whole.calls.at(0).result->content, "sent");
  EXPECT_EQ(whole.notes.back().detail, "approved: functions.now");
}

TEST_F(ApprovalTest, ApprovedBeforehandItRuns) {
  config_.approval.mode = ApprovalPolicy::Mode::kAlways;
  EXPECT_EQ(run("go").exit_code, 0);
  EXPECT_EQ(made_->size(), 1U);
}

TEST_F(ApprovalTest, TheQuestionNamesTheCallAndTheAnswerDecides) {
  config_.approval.mode = ApprovalPolicy::Mode::kOnRequest;
  Decision decision = Decision::kApprove;
  config_.approval.ask = [&](const ApprovalRequest& request) {
    EXPECT_EQ(request.recipient, "functions.now");
    EXPECT_EQ(request.arguments, R"({"x":1})");
    return decision;
  };
  EXPECT_EQ(run("go").exit_code, 0);
  EXPECT_EQ(made_->size(), 1U);

  decision = Decision::kRefuse;
  script_texts({calls("functions.now", R"({"x":1})"), says_final("ok")});
  EXPECT_EQ(run("go").exit_code, 0);
  EXPECT_EQ(made_->size(), 1U);
  EXPECT_EQ(record().calls.at(0).result->status, "refused");
  EXPECT_THAT(log_text(), HasSubstr("was not approved and did not run"));

  decision = Decision::kStop;
  script_texts({calls("functions.now", R"({"x":1})")});
  EXPECT_EQ(run("go").terminal_reason, "denied");
  EXPECT_EQ(made_->size(), 1U);
}

// The log of the fixture's call, answered with `result`, and what the user says instead and the answer to it.
std::string refused_log(const std::string& result) {
  return "<|start|>user<|message|>go<|end|><|start|>assistant" + calls("functions.now", R"({"x":1})") +
         "<|start|>functions.now to=assistant<|channel|>commentary<|message|>" + result +
         "<|end|><|start|>user<|message|>rather not<|end|><|start|>assistant" + says_final("ok");
}

constexpr char kSaidSomethingElse[] =
    "The call to functions.now did not run: the user said something else before it was made.";

TEST_F(ApprovalTest, WhoeverSaysSomethingElseRefusesTheCallThatWaits) {
  EXPECT_EQ(run("go").terminal_reason, "approval_needed");
  EXPECT_EQ(run("rather not").final, "ok");
  EXPECT_EQ(log_text(), refused_log(kSaidSomethingElse));
  EXPECT_EQ(record().calls.at(0).result->status, "refused");
  EXPECT_EQ(record().notes.back().detail, "refused: functions.now");
  EXPECT_TRUE(made_->empty());
  EXPECT_EQ(agent_->session_usage().prefilled, agent_->session_usage().appended);
  EXPECT_EQ(ledger_->check(), std::vector<std::string>());
}

TEST_F(ApprovalTest, WhoeverResumesWithAMessageRefusesTheCallThatWaits) {
  const std::string id = run("go").run_id;
  agent_.emplace(*model_, registry_, *ledger_, config_);
  EXPECT_EQ(agent_->resume(id, "rather not").final, "ok");
  EXPECT_EQ(log_text(), refused_log(kSaidSomethingElse));
  EXPECT_EQ(record().calls.size(), 1U);
  EXPECT_TRUE(made_->empty());
  EXPECT_EQ(ledger_->check(), std::vector<std::string>());
}

TEST_F(ApprovalTest, ACallBeyondTheBudgetIsRefusedWhenTheUserGoesOn) {
  config_.limits.calls_of_max["functions"] = 0;
  EXPECT_EQ(run("go").terminal_reason, "budget");
  EXPECT_EQ(run("rather not").final, "ok");
  EXPECT_EQ(log_text(), refused_log("The call to functions.now did not run: no calls to functions are allowed."));
}

ApprovalRule rule(std::string_view text) { return ApprovalRule::parse(text).value_or_throw(); }

TEST_F(ApprovalTest, ARuleAllowsWhatNobodyCouldBeAskedFor) {
  config_.approval.rules = {rule("functions.now:x=1=allow")};
  EXPECT_EQ(run("go").exit_code, 0);
  EXPECT_EQ(made_->size(), 1U);
  EXPECT_EQ(record().notes.at(0).detail, "allowed by the rule functions.now:x=1=allow: functions.now");
}

TEST_F(ApprovalTest, ARuleDeniesWhatWasApprovedBeforehandAndTheModelIsToldWhy) {
  config_.approval.mode = ApprovalPolicy::Mode::kAlways;
  config_.approval.rules = {rule("functions.n*=deny"), rule("functions.now=allow")};
  EXPECT_EQ(run("go").final, "ok");
  EXPECT_TRUE(made_->empty());
  EXPECT_EQ(record().calls.at(0).result->status, "refused");
  EXPECT_THAT(log_text(), HasSubstr("was denied by a rule of the user, functions.n*=deny, and did not run"));
  EXPECT_EQ(record().notes.at(0).detail, "denied by the rule functions.n*=deny: functions.now");
}

// Also for a tool that asks for nothing, and in a later process.
TEST_F(ApprovalTest, ARuleThatAsksLeavesACallThatWaits) {
  config_.approval.mode = ApprovalPolicy::Mode::kAlways;
  config_.approval.rules = {rule("now=ask")};
  const RunOutcome left = run("go");
  EXPECT_EQ(left.terminal_reason, "approval_needed");
  EXPECT_TRUE(made_->empty());
  agent_.emplace(*model_, registry_, *ledger_, config_);
  EXPECT_EQ(agent_->resume(left.run_id).terminal_reason, "approval_needed");
  config_.approval.ask = [](const ApprovalRequest&) { return Decision::kApprove; };
  agent_.emplace(*model_, registry_, *ledger_, config_);
  EXPECT_EQ(agent_->resume(left.run_id).final, "ok");
  EXPECT_EQ(made_->size(), 1U);
}

TEST_F(ApprovalTest, CallsThatNoRuleFitsAreDecidedAsEver) {
  config_.approval.rules = {rule("functions.now:x=2=allow"), rule("functions.add=allow"), rule("functions.now:y~.=deny")};
  EXPECT_EQ(run("go").terminal_reason, "approval_needed");
}

}  // namespace
}  // namespace toccata::agent
