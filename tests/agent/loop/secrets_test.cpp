// Values of secrets are in no row, no event and no token, whoever says them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/loop/events_json.h"
#include "tests/agent/loop/loop_fixture.h"

namespace toccata::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::calls;
using testing::says_final;

constexpr const char* kValue = "pa55-w0rd/of+mine";

class SecretsLoopTest : public LoopTest {
 protected:
  SecretsLoopTest() {
    config_.secrets = std::make_shared<tools::Secrets>(
        [](const std::string& name) { return name == "KEY" ? std::optional<std::string>(kValue) : std::nullopt; }, "/nonexistent", "/nonexistent");
    config_.secrets->declare("KEY").value_or_throw();
  }
  // Ledger files, events, tokens: all that is left of the run.
  std::string everything() {
    std::string all = log_text();
    for (const auto& entry : std::filesystem::directory_iterator(path_.parent_path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      all += std::string(std::istreambuf_iterator<char>(file), {});
    }
    for (const Event& event : events_) all += json_line(event) + "\n";
    return all;
  }
};

TEST_F(SecretsLoopTest, WhatToolsAndUsersSayIsWithoutThem) {
  add(testing::fake_python([](const tools::ToolCall& call, std::stop_token) {
    const std::string said = std::string("key: ") + kValue + "\n";
    for (const char c : said) call.on_output(std::string(1, c));
    return tools::ToolResult{tools::ToolStatus::kOk, "python", said, std::string(R"({"seen":")") + kValue + "\"}"};
  }));
  add(testing::fake_functions([](const tools::ToolCall&, std::stop_token) -> tools::ToolResult {
    throw std::runtime_error(std::string("refused: ") + kValue);
  }));
  script_texts({"<|channel|>analysis to=python code<|message|>print()<|call|>", calls("functions.now", "{}"), says_final("ok")});
  EXPECT_EQ(run(std::string("my key is ") + kValue).final, "ok");
  const std::string all = everything();
  EXPECT_THAT(all, Not(HasSubstr(kValue)));
  EXPECT_THAT(all, Not(HasSubstr("w0rd")));
  EXPECT_THAT(log_text(), HasSubstr("my key is [secret KEY]<|end|>"));
  EXPECT_THAT(log_text(), HasSubstr("key: [secret KEY]\n<|end|>"));
  EXPECT_THAT(log_text(), HasSubstr("refused: [secret KEY]<|end|>"));
  std::string streamed;
  for (const Event& event : events_) {
    if (const auto* delta = std::get_if<ItemDelta>(&event); delta != nullptr && delta->kind == ItemDelta::Kind::kOutput) streamed += delta->delta;
  }
  EXPECT_EQ(streamed, "key: [secret KEY]\n");
  EXPECT_THAT(record().calls.at(0).result->metadata, HasSubstr(R"("seen":"[secret KEY]")"));
  EXPECT_EQ(record().summary.task, "my key is [secret KEY]");
  EXPECT_EQ(ledger_->check(), std::vector<std::string>());
}

TEST_F(SecretsLoopTest, WhatIsSaidMeanwhileAndLaterIsWithoutThemToo) {
  add(testing::fake_functions([this](const tools::ToolCall&, std::stop_token) {
    agent_->steer(std::string("by the way, ") + kValue);
    return tools::ToolResult{tools::ToolStatus::kOk, "", "noted", "{}"};
  }));
  script_texts({calls("functions.now", "{}"), says_final("ok"), says_final("ok")});
  const std::string id = run("go").run_id;
  agent_.emplace(*model_, registry_, *ledger_, config_);
  EXPECT_EQ(agent_->resume(id, std::string("again: ") + kValue).exit_code, 0);
  EXPECT_THAT(everything(), Not(HasSubstr(kValue)));
  EXPECT_THAT(log_text(), HasSubstr("by the way, [secret KEY]"));
  EXPECT_THAT(log_text(), HasSubstr("again: [secret KEY]"));
}

}  // namespace
}  // namespace toccata::agent
