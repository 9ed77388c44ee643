// The public C++ interface: what its header promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <toccata/agent.h>

#include <fstream>

#include "tests/support/temp_folder.h"

namespace toccata {
namespace {

using ::testing::HasSubstr;

class LibraryTest : public ::testing::Test {
 protected:
  // Options of an agent whose model says these completions, written as JSON strings.
  Options scripted(const std::string& completions) {
    std::ofstream(folder_.path() / "script.json") << R"({"completions": [)" << completions << "]}";
    return {.model = "script:" + (folder_.path() / "script.json").string(), .tools = {}, .ledger = folder_.path() / "runs.db"};
  }
  // The message of the Exception that making an agent throws.
  static std::string refusal(Options options) {
    try {
      const Agent agent(std::move(options));
    } catch (const Exception& error) {
      return error.what();
    }
    return "";
  }
  testing::TempFolder folder_;
};

constexpr const char* kCall =
    R"("<|channel|>commentary to=functions.twice <|constrain|>json<|message|>{\"n\": 21}<|call|>")";
constexpr const char* kDone = R"("<|channel|>final<|message|>Done.<|return|>")";

TEST_F(LibraryTest, AFunctionIsCalledAndEventsTellOfIt) {
  Options options = scripted(std::string(kCall) + "," + kDone);
  std::string arguments, events;
  options.functions.push_back({.name = "twice", .description = "Doubles n.", .parameters = R"({"type": "object"})", .call = [&](const std::string& json) {
    arguments = json;
    return std::string("42");
  }});
  Agent agent(std::move(options), [&](const agent::Event& event) { events += to_json_line(event) + "\n"; });
  const Outcome outcome = agent.run("Twice 21?");
  EXPECT_TRUE(outcome.ok()) << outcome.message;
  EXPECT_EQ(outcome.final, "Done.");
  EXPECT_EQ(arguments, R"({"n": 21})");
  EXPECT_THAT(events, HasSubstr(R"("42")"));
  EXPECT_EQ(outcome.run_id, agent.run_id());
  EXPECT_GT(outcome.usage.output_tokens, 0);
}

TEST_F(LibraryTest, FunctionsOfAFileAreCalled) {
  Options options = scripted(std::string(kCall) + "," + kDone);
  std::string events;
  std::ofstream(folder_ / "tools.yaml") << "tools: [{name: twice, description: Doubles n., parameters: {type: object, properties: {n: {type: integer}}}, "
                                           "effect: pure, command: {where: host, argv: [echo, '<{n}>']}}]";
  options.tool_files = {folder_ / "tools.yaml"};
  Agent agent(std::move(options), [&](const agent::Event& event) { events += to_json_line(event); });
  EXPECT_TRUE(agent.run("Twice 21?").ok());
  EXPECT_THAT(events, HasSubstr("<21>"));
}

TEST_F(LibraryTest, WhatAFunctionThrowsIsToldToTheModel) {
  Options options = scripted(std::string(kCall) + "," + kDone);
  std::string events;
  options.functions.push_back({.name = "twice", .description = "", .parameters = "", .call = [](const std::string&) -> std::string {
    throw std::runtime_error("no such number");
  }});
  Agent agent(std::move(options), [&](const agent::Event& event) { events += to_json_line(event); });
  EXPECT_TRUE(agent.run("Twice 21?").ok());
  EXPECT_THAT(events, HasSubstr("no such number"));
}

TEST_F(LibraryTest, AConversationGoesOnAndARunCanBeResumed) {
  Agent first(scripted(R"("<|channel|>final<|message|>one<|return|>", "<|channel|>final<|message|>two<|return|>")"));
  EXPECT_EQ(first.run("a").final, "one");
  EXPECT_EQ(first.run("b").final, "two");
  Agent second(scripted(R"("<|channel|>final<|message|>three<|return|>")"));
  EXPECT_EQ(second.resume(first.run_id(), "c").final, "three");
  EXPECT_EQ(Agent(scripted(kDone)).resume("nonesuch").exit_code, 2);
}

TEST_F(LibraryTest, AnAgentIsStoppedFromItsOwnEvents) {
  Options options = scripted(R"({"text": "<|channel|>analysis<|message|>on and on ", "then": "repeat"})");
  Agent* running = nullptr;
  Agent agent(std::move(options), [&](const agent::Event& event) {
    if (std::holds_alternative<agent::ItemDelta>(event)) running->stop();
  });
  running = &agent;
  EXPECT_EQ(agent.run("x").exit_code, 130);
}

TEST_F(LibraryTest, OptionsAreRefusedByName) {
  const auto with = [&](const std::string& more) {
    Options options = scripted(kDone);
    options.more = more;
    return refusal(std::move(options));
  };
  EXPECT_EQ(with(R"({"top_k": 5, "search": "brave", "allow_domain": ["example.org"], "seed": null})"), "");
  EXPECT_THAT(with(R"({"temprature": 1})"), HasSubstr("unknown option 'temprature'; known: allow_domain, "));
  EXPECT_THAT(with(R"({"top_k": 1.5})"), HasSubstr("option top_k is 1.5, expected a whole number"));
  EXPECT_THAT(with(R"({"top_p": true})"), HasSubstr("expected no true or false"));
  EXPECT_THAT(with(R"({"offline": 1})"), HasSubstr("expected true or false"));
  EXPECT_THAT(with(R"({"timeout": -1})"), HasSubstr("expected no negative number"));
  EXPECT_THAT(with(R"({"max_turns": 0})"), HasSubstr("option max_turns is 0, expected a number between 1 and 2147483647"));
  EXPECT_THAT(with(R"({"max_turns": 4294967297})"), HasSubstr("expected a number between 1 and 2147483647"));
  EXPECT_THAT(with(R"({"budget_tokens": 18446744073709551615})"), HasSubstr("option budget_tokens is"));
  EXPECT_THAT(with(R"({"seed": -1})"), HasSubstr("expected no negative number"));
  EXPECT_THAT(with(R"({"top_p": 1.5})"), HasSubstr("expected a number between 0 and 1"));
  EXPECT_THAT(with(R"({"tool_timeout": 0})"), HasSubstr("expected more than 0 seconds"));
  EXPECT_THAT(with(R"({"timeout": 1e300})"), HasSubstr("option timeout is"));
  EXPECT_THAT(with(R"({"reasoning": "huge"})"), HasSubstr("expected one of low, medium, high"));
  EXPECT_THAT(with(R"({"approve": "yes"})"), HasSubstr("expected one of never, on-request, trusted, always"));
  EXPECT_THAT(with(R"({"tools": [1]})"), HasSubstr("option tools is [1], expected another type"));
  EXPECT_THAT(with("[]"), HasSubstr("expected one JSON object"));
  EXPECT_THAT(refusal({.sandbox = "fortress", .ledger = folder_.path() / "runs.db"}), HasSubstr("fortress"));
}

TEST_F(LibraryTest, AFunctionNeedsSomethingToCall) {
  Options options = scripted(kDone);
  options.functions.push_back({.name = "empty", .description = "", .parameters = "", .call = {}});
  EXPECT_THAT(refusal(std::move(options)), HasSubstr("'empty'"));
}

}  // namespace
}  // namespace toccata
