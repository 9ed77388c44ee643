#include "core/base/json.h"
#include "tools/python/python_tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "prompts/prompts.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

class PythonToolTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<sandbox::Sandbox> made = sandbox::Sandbox::create({});
    if (!made) GTEST_SKIP() << made.error().message;
    sandbox_.emplace(*std::move(made));
  }
  static ToolResult call(PythonTool& tool, const std::string& code) {
    return tool.call({.recipient = "python", .arguments = code, .idempotency_key = {}}, {});
  }
  std::optional<sandbox::Sandbox> sandbox_;
};

TEST_F(PythonToolTest, IsDeclaredAsTheModelsWereTaught) {
  const PythonTool tool(*sandbox_);
  EXPECT_EQ(tool.spec().name_space, "python");
  EXPECT_EQ(tool.spec().description, prompts::python_tool());
  EXPECT_TRUE(tool.spec().functions.empty());
  EXPECT_EQ(tool.spec().placement, Placement::kSystem);
  EXPECT_EQ(tool.spec().effect, Effect::kEffectful);
  EXPECT_GT(tool.spec().timeout, 120s) << "the cell's own limit comes first";
}

TEST_F(PythonToolTest, CallsShareOneInterpreter) {
  PythonTool tool(*sandbox_);
  EXPECT_EQ(call(tool, "x = 48213 * 977 + 5").content, sandbox::kNoOutput);
  const ToolResult result = call(tool, "{\"code\": \"print(x)\"}");
  EXPECT_EQ(result.status, ToolStatus::kOk);
  EXPECT_EQ(result.author, "python");
  EXPECT_EQ(result.content, "47104106");
  const json metadata = json_from_valid<json>(result.metadata);
  EXPECT_EQ(metadata["status"], "ok");
  EXPECT_EQ(metadata["level"], sandbox::to_string(sandbox_->level()));
  EXPECT_EQ(metadata["restarted"], false);
}

TEST_F(PythonToolTest, AnExceptionIsToldToTheModel) {
  PythonTool tool(*sandbox_);
  const ToolResult result = call(tool, "1/0");
  EXPECT_EQ(result.status, ToolStatus::kFailed);
  EXPECT_THAT(result.content, HasSubstr("ZeroDivisionError"));
}

TEST_F(PythonToolTest, ATimeOutIsToldToTheModel) {
  PythonTool tool(*sandbox_, 200ms);
  const ToolResult result = call(tool, "while True: pass");
  EXPECT_EQ(result.status, ToolStatus::kFailed);
  EXPECT_THAT(result.content, HasSubstr("time limit of 0.2 seconds"));
  EXPECT_EQ(json_from_valid<json>(result.metadata)["status"], "timeout");
}

TEST_F(PythonToolTest, AnotherRunStartsWithNothing) {
  PythonTool first(*sandbox_), second(*sandbox_);
  call(first, "x = 1");
  EXPECT_THAT(call(second, "x").content, HasSubstr("NameError"));
}

}  // namespace
}  // namespace toccata::tools
