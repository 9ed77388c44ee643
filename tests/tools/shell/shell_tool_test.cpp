#include "core/base/json.h"
#include "tools/shell/shell_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "tools/python/python_tool.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

class ShellToolTest : public testing::Test {
 protected:
  void SetUp() override {
    sandbox::Policy policy;
    policy.warmth = sandbox::Warmth::none();
    Result<sandbox::Sandbox> made = sandbox::Sandbox::create(policy);
    if (!made) GTEST_SKIP() << made.error().message;
    sandbox_.emplace(*std::move(made));
    slot_ = std::make_shared<sandbox::SessionSlot>(*sandbox_);
  }
  static ToolResult call(ShellTool& tool, const json& arguments) {
    return tool.call({.recipient = "functions.shell", .arguments = json_text(arguments), .idempotency_key = {}}, {});
  }
  std::optional<sandbox::Sandbox> sandbox_;
  std::shared_ptr<sandbox::SessionSlot> slot_;
};

TEST_F(ShellToolTest, IsOneEffectfulFunction) {
  const ShellTool tool(slot_);
  EXPECT_EQ(tool.spec().name_space, "functions");
  ASSERT_EQ(tool.spec().functions.size(), 1U);
  EXPECT_EQ(tool.spec().functions[0].name, "shell");
  EXPECT_EQ(tool.spec().placement, Placement::kDeveloper);
  EXPECT_EQ(tool.spec().effect, Effect::kEffectful);
  EXPECT_TRUE(json_from_valid<json>(tool.spec().functions[0].parameters)["properties"].contains("command"));
}

TEST_F(ShellToolTest, TellsOutputAndExitStatus) {
  ShellTool tool(slot_);
  const ToolResult good = call(tool, {{"command", {"echo", "a  b"}}});
  EXPECT_EQ(good.status, ToolStatus::kOk);
  EXPECT_EQ(good.author, "functions.shell");
  EXPECT_EQ(good.content, "a  b");
  EXPECT_EQ(json_from_valid<json>(good.metadata)["exit_code"], 0);
  EXPECT_EQ(json_from_valid<json>(good.metadata)["level"], sandbox::to_string(sandbox_->level()));
  const ToolResult bad = call(tool, {{"command", "echo oops >&2; false"}});
  EXPECT_EQ(bad.status, ToolStatus::kFailed);
  EXPECT_EQ(bad.content, "oops\n[exit status 1]");
  EXPECT_EQ(json_from_valid<json>(bad.metadata)["exit_code"], 1);
}

TEST_F(ShellToolTest, SharesTheWorkspaceWithPython) {
  ShellTool shell(slot_);
  PythonTool python(slot_, 60s);
  const auto cell = [&](const char* code) {
    return python.call({.recipient = "python", .arguments = code, .idempotency_key = {}}, {}).content;
  };
  cell("y = 7; open('a.txt', 'w').write('from python')");
  EXPECT_EQ(call(shell, {{"command", "cat a.txt; echo; echo back > b.txt"}}).content, "from python");
  EXPECT_EQ(cell("print(open('b.txt').read().strip(), y)"), "back 7");
}

TEST_F(ShellToolTest, TheModelMayAskForLessTimeNotForMore) {
  ShellTool tool(slot_, 300ms);
  const ToolResult asked = call(tool, {{"command", "sleep 1000"}, {"timeout_ms", 100}});
  EXPECT_EQ(asked.status, ToolStatus::kFailed);
  EXPECT_THAT(asked.content, HasSubstr("time limit of 0.1 seconds"));
  EXPECT_THAT(call(tool, {{"command", "sleep 1000"}, {"timeout_ms", 9000}}).content, HasSubstr("time limit of 0.3 seconds"));
}

TEST_F(ShellToolTest, BadArgumentsAreTold) {
  ShellTool tool(slot_);
  const ToolResult result = call(tool, {{"script", "ls"}});
  EXPECT_EQ(result.status, ToolStatus::kFailed);
  EXPECT_THAT(result.content, HasSubstr("no \"command\""));
}

}  // namespace
}  // namespace toccata::tools
