#include "agent/toolfile/tool_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/fake_tool.h"

namespace toccata::toolfile {
namespace {

using ::testing::HasSubstr;
using tools::ToolResult;
using tools::ToolStatus;

constexpr const char* kScript = R"(tools:
  functions.add:
    - when: {a: 1, b: 2}
      result: {sum: 3}
    - matches: {a: "^9"}
      result: many
      times: any
    - error: no such numbers
    - result: at last
      times: 2
  python:
    - matches: {code: "import\\s+os"}
      result: "7"
  weather.now:
    description: The weather.
    parameters: {type: object, properties: {city: {type: string}}}
    answers:
      - result: rain
)";

class ToolScriptTest : public ::testing::Test {
 protected:
  ToolScriptTest() {
    auto functions = testing::fake_functions(testing::answering("real"));
    auto python = testing::fake_python(testing::answering("real"));
    real_ = {functions->calls, python->calls};
    tools_.add(std::move(functions));
    tools_.add(std::move(python));
  }
  tools::Registry scripted(const std::string& text) {
    ParsedToolScript parsed = parse_tool_script(text, "answers.yaml");
    EXPECT_TRUE(parsed.problems.empty()) << task::text_of(parsed.problems);
    ScriptedTools made = scripted_tools(tools_, std::move(parsed.script));
    unused_ = made.unused;
    return std::move(made.registry);
  }
  std::function<std::vector<std::string>()> unused_;
  static ToolResult call(tools::Registry& registry, const std::string& recipient, const std::string& arguments) {
    return registry.find(recipient)->call({recipient, arguments, ""}, {});
  }
  tools::Registry tools_;
  std::vector<std::shared_ptr<std::vector<tools::ToolCall>>> real_;
};

TEST_F(ToolScriptTest, AnswersComeByArgumentsAndThenInTheirOrder) {
  tools::Registry registry = scripted(kScript);
  EXPECT_EQ(call(registry, "functions.add", R"({"b":2,"a":1.0})").content, R"({"sum":3})");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call(registry, "functions.add", R"({"a":95})").content, "many");
  const ToolResult failed = call(registry, "functions.add", R"({"a":1,"b":2})");
  EXPECT_EQ(failed.status, ToolStatus::kFailed);
  EXPECT_EQ(failed.content, "no such numbers");
  EXPECT_EQ(call(registry, "functions.add", "").content, "at last");
  EXPECT_EQ(call(registry, "functions.add", R"({"a":1,"b":2})").content, "at last");
  EXPECT_EQ(call(registry, "python", "import  os\nprint(7)").content, "7");
  EXPECT_EQ(call(registry, "weather.now", R"({"city":"Oslo"})").content, "rain");
  for (const auto& calls : real_) EXPECT_TRUE(calls->empty());
}

TEST_F(ToolScriptTest, AnUnexpectedCallEndsTheRun) {
  tools::Registry registry = scripted(kScript);
  const ToolResult other = call(registry, "python", "print(1)");
  EXPECT_EQ(other.status, ToolStatus::kStopsRun);
  EXPECT_EQ(other.content, "The script of tools answers.yaml has no answer for the call to python with print(1); it expects other arguments: answers.yaml:12:7.");
  EXPECT_EQ(call(registry, "functions.now", "{}").status, ToolStatus::kStopsRun);
  EXPECT_EQ(call(registry, "weather.now", "{}").status, ToolStatus::kOk);
  EXPECT_THAT(call(registry, "weather.now", "{}").content, HasSubstr("expects no further call of it"));
  for (const auto& calls : real_) EXPECT_TRUE(calls->empty());
}

TEST_F(ToolScriptTest, WhatWasNotUsedIsKnownWhereItMatters) {
  const std::string answers = "tools:\n  functions.add:\n    - {result: a}\n    - {result: b, times: 2}\n    - {result: c, times: any}\n";
  tools::Registry registry = scripted(answers + "all_used: true\n");
  call(registry, "functions.add", "{}");
  call(registry, "functions.add", "{}");
  EXPECT_THAT(unused_(), ::testing::ElementsAre("answers.yaml:4:7 (functions.add)"));
  call(registry, "functions.add", "{}");
  EXPECT_TRUE(unused_().empty());
  registry = scripted(answers);
  EXPECT_TRUE(unused_().empty());
}

TEST_F(ToolScriptTest, DeclarationsStayAsTheyAreAndNewOnesCome) {
  const tools::Registry registry = scripted(kScript);
  EXPECT_EQ(registry.find("functions.add")->spec().functions, tools_.find("functions.add")->spec().functions);
  EXPECT_EQ(registry.find("weather.now")->spec().functions[0].parameters, R"({"type":"object","properties":{"city":{"type":"string"}}})");
  EXPECT_THROW(scripted("tools: {functions.nonesuch: [{result: x}]}"), Exception);
}

TEST_F(ToolScriptTest, WrongScriptsAreToldWithTheirPlace) {
  for (const auto& [text, said] : std::vector<std::pair<std::string, std::string>>{
           {"", "a.yaml:1:1: "}, {"tools: []", "found no mapping 'tools'"}, {"tool: {}", "did you mean 'tools'?"},
           {"tools: {f: x}", "a.yaml:1:9: found 'x' for 'f', expected a list of answers"}, {"tools: {f: [{}]}", "found neither of 'result' and 'error'"},
           {"tools: {f: [{result: 1, error: 2}]}", "found both of"}, {"tools: {f: [{result: 1, times: 0}]}", "expected a whole number from 1 up"},
           {"tools: {f: [{result: 1, when: x}]}", "for 'when', expected a mapping"}, {"tools: {f: [{result: 1, matches: {a: '('}}]}", "expected a regular expression"},
           {"tools: {f: {description: x}}", "found no 'answers'"}}) {
    EXPECT_THAT(task::text_of(parse_tool_script(text, "a.yaml").problems), HasSubstr(said)) << text;
  }
}

TEST_F(ToolScriptTest, DamagedScriptsAreRefusedInWords) {
  std::mt19937 random(5);
  const std::string whole = kScript;
  for (int round = 0; round < 3000; ++round) {
    std::string text = whole;
    for (auto n = random() % 3 + 1; n > 0; --n) {
      const std::size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text.erase(at, random() % 10);
      } else {
        text.insert(at, 1, static_cast<char>(random()));
      }
    }
    for (const task::Problem& problem : parse_tool_script(text, "a.yaml").problems) EXPECT_THAT(problem.text(), ::testing::StartsWith("a.yaml:"));
  }
}

}  // namespace
}  // namespace toccata::toolfile
