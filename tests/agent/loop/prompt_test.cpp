#include "agent/loop/prompt.h"

#include <gtest/gtest.h>

#include "tests/support/fake_tool.h"

namespace toccata::agent {
namespace {

using testing::answering;

TEST(PromptTest, WithoutToolsAndInstructionsThereIsOnlyTheSystemMessage) {
  AgentConfig config;
  config.current_date = "2026-11-24";
  config.reasoning = harmony::ReasoningEffort::kHigh;
  const auto messages = opening_messages(config, tools::Registry());
  ASSERT_EQ(messages.size(), 1U);
  auto expected = harmony::SystemContent::gpt_oss_default();
  expected.conversation_start_date = "2026-11-24";
  expected.reasoning_effort = harmony::ReasoningEffort::kHigh;
  EXPECT_EQ(std::get<harmony::SystemContent>(messages[0].content.at(0)), expected);
  EXPECT_EQ(messages[0].role, harmony::Role::kSystem);
}

TEST(PromptTest, BuiltInToolsGoToTheSystemMessageAndFunctionsToTheDevelopers) {
  tools::Registry registry;
  registry.add(testing::fake_functions(answering("")));
  registry.add(testing::fake_python(answering("")));
  AgentConfig config;
  config.instructions = "Be brief.";
  const auto messages = opening_messages(config, registry);
  ASSERT_EQ(messages.size(), 2U);
  const auto& system = std::get<harmony::SystemContent>(messages[0].content.at(0));
  ASSERT_TRUE(system.tools);
  ASSERT_EQ(system.tools->size(), 1U);
  EXPECT_EQ(system.tools->at("python").description, "Runs python code.");
  EXPECT_TRUE(system.tools->at("python").tools.empty());
  const auto& developer = std::get<harmony::DeveloperContent>(messages[1].content.at(0));
  EXPECT_EQ(developer.instructions, "Be brief.");
  const harmony::ToolNamespace& functions = developer.tools->at("functions");
  EXPECT_FALSE(functions.description);
  ASSERT_EQ(functions.tools.size(), 2U);
  EXPECT_EQ(functions.tools[0].name, "add");
  EXPECT_TRUE(functions.tools[0].parameters);
  EXPECT_FALSE(functions.tools[1].parameters);
  EXPECT_TRUE(has_function_tools(registry));
}

TEST(PromptTest, OnlyTheFunctionsNamespaceCountsAsFunctionTools) {
  tools::Registry registry;
  tools::ToolSpec spec = testing::fake_functions(answering(""))->spec();
  spec.name_space = "files";
  registry.add(std::make_unique<testing::FakeTool>(spec, answering("")));
  EXPECT_FALSE(has_function_tools(registry));
}

TEST(PromptTest, ToolsOfOneNamespaceAreDeclaredTogether) {
  tools::Registry registry;
  registry.add(testing::fake_functions(answering("")));
  tools::ToolSpec spec = testing::fake_functions(answering(""))->spec();
  EXPECT_THROW(registry.add(std::make_unique<testing::FakeTool>(spec, answering(""))), Exception) << "functions.add twice";
  spec.functions = {{"shell", "", ""}};
  registry.add(std::make_unique<testing::FakeTool>(spec, answering("")));
  EXPECT_NE(registry.find("functions.add"), registry.find("functions.shell"));
  const auto functions = tool_namespaces(registry, tools::Placement::kDeveloper).at("functions");
  ASSERT_EQ(functions.tools.size(), 3U);
  EXPECT_EQ(functions.tools[2].name, "shell");
  spec.functions.clear();
  EXPECT_THROW(registry.add(std::make_unique<testing::FakeTool>(spec, answering(""))), Exception) << "the namespace itself";
}

TEST(PromptTest, ANameTheModelWroteIsMadeSafeForAHeader) {
  EXPECT_EQ(safe_author("functions.get_weather-2"), "functions.get_weather-2");
  EXPECT_EQ(safe_author("a b<|end|>\n"), "a_b__end___");
  EXPECT_EQ(safe_author(""), "unknown");
  EXPECT_EQ(safe_author(std::string(1000, 'x')).size(), 64U);
}

}  // namespace
}  // namespace toccata::agent
