// Turn after turn in the same log, however the last one ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using ::testing::HasSubstr;
using testing::says_final;

class ChatTest : public LoopTest {};

TEST_F(ChatTest, AChatGoesOnInTheSameLogAndItsReturnBecomesEnd) {
  script_texts({says_final("Hello."), says_final("Bye.")});
  const RunOutcome first = run("Hi");
  const RunOutcome second = run("Ciao");
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(first.run_id, second.run_id);
  EXPECT_EQ(
      log_text(),
      "<|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|end|>"
      "<|start|>user<|message|>Ciao<|end|><|start|>assistant<|channel|>final<|message|>Bye.<|"
      "return|>"
  );
  EXPECT_EQ(agent_->session_usage().prefilled, agent_->session_usage().appended);
  EXPECT_EQ(record().summary.task, "Hi");
  EXPECT_EQ(record().final, "Bye.");
  EXPECT_EQ(record().summary.status, store::RunStatus::kDone);
}

TEST_F(ChatTest, AChatGoesOnAfterAnInterruptedTurn) {
  std::stop_source stop;
  script(
      {{.text = "<|channel|>final<|message|>Hel", .then = ScriptedCompletion::Then::kHang},
       {.text = says_final("Hello.")}}
  );
  on_event_ = [&](const Event& event) {
    if (std::holds_alternative<TurnStarted>(event)) stop.request_stop();
  };
  config_.limits.timeout = std::chrono::milliseconds(10);
  run("Hi");
  on_event_ = {};
  EXPECT_EQ(run("Again").final, "Hello.");
  EXPECT_THAT(log_text(), HasSubstr("<|message|>Hel<|end|><|start|>user<|message|>Again<|end|>"));
}

TEST_F(ChatTest, AChatGoesOnAfterTheModelStoppedInsideAHeader) {
  script(
      {{.text = "<|channel|>fin", .then = ScriptedCompletion::Then::kError, .error = "boom"},
       {.text = says_final("Hello.")}}
  );
  EXPECT_EQ(run("Hi").exit_code, 7);
  EXPECT_EQ(run("Again").final, "Hello.");
  EXPECT_THAT(
      log_text(), HasSubstr("<|channel|>fin<|message|><|end|><|start|>user<|message|>Again<|end|>")
  );
}

}  // namespace
}  // namespace toccata::agent
