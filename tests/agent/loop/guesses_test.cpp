#include "agent/loop/guesses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/watched_tool.h"

namespace toccata::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using tools::ToolResult;
using tools::ToolStatus;

Guess::Work giving(const std::string& content) {
  return [content](const std::stop_token&) { return ToolResult{ToolStatus::kOk, "f", content, "{}"}; };
}
ToolResult wait(const std::stop_token& stop) { return {testing::wait_for_stop(stop) ? ToolStatus::kFailed : ToolStatus::kOk, "f", "stopped", "{}"}; }

TEST(GuessesTest, JsonIsTheSameWithoutItsBlanks) {
  EXPECT_EQ(Guesses::canonical(" { \"a\" : [ 1 , 2.50 ] ,\n\t\"b c\" : \"x \\\" : y\" } "), R"({"a":[1,2.50],"b c":"x \" : y"})");
  EXPECT_EQ(Guesses::canonical(R"({"a":"\\" , "b":1})"), R"({"a":"\\","b":1})");
  EXPECT_NE(Guesses::canonical(R"({"a":1,"b":2})"), Guesses::canonical(R"({"b":2,"a":1})")) << "who reads it may tell them apart";
  EXPECT_EQ(Guesses::canonical("{ not json"), "{ not json");
  EXPECT_EQ(Guesses::canonical(""), "");
}

TEST(GuessesTest, AGuessIsTakenOnce) {
  Guesses guesses(4);
  EXPECT_TRUE(guesses.start({"f", "1"}, Foresight::kGuessed, giving("one")));
  EXPECT_FALSE(guesses.start({"f", "1"}, Foresight::kGuessed, giving("two"))) << "there is one like it";
  auto guess = guesses.take({"f", "1"});
  ASSERT_NE(guess, nullptr);
  EXPECT_EQ(guess->wait({}).result->content, "one");
  EXPECT_EQ(guesses.take({"f", "1"}), nullptr);
  EXPECT_EQ(guesses.count(), (Guesses::Count{1, 1}));
}

TEST(GuessesTest, AnotherCallDropsWhatWasGuessedAndNotWhatTheAnswerHolds) {
  Guesses guesses(4);
  guesses.start({"f", "guessed"}, Foresight::kGuessed, wait);
  guesses.start({"f", "in answer"}, Foresight::kInAnswer, giving("one"));
  EXPECT_EQ(guesses.take({"f", "other"}), nullptr);
  EXPECT_FALSE(guesses.contains({"f", "guessed"}));
  EXPECT_TRUE(guesses.contains({"f", "in answer"}));
  EXPECT_THAT(guesses.take_unused(), ElementsAre(Guesses::Key{"f", "guessed"}));
  EXPECT_THAT(guesses.take_unused(), IsEmpty());
  guesses.drop();
  EXPECT_TRUE(guesses.empty());
}

TEST(GuessesTest, WhatWasDroppedAndHasNotEndedTakesItsRoom) {
  testing::CallWatch watch;
  Guesses guesses(1);
  guesses.start({"f", "1"}, Foresight::kGuessed, [&](const std::stop_token& stop) {
    testing::wait_for_stop(stop);
    watch.wait_for_begin("end");
    return ToolResult{};
  });
  EXPECT_FALSE(guesses.start({"f", "2"}, Foresight::kGuessed, giving("two")));
  guesses.drop();
  EXPECT_FALSE(guesses.start({"f", "2"}, Foresight::kGuessed, giving("two"))) << "it was told to stop and has not";
  watch.began("end");
  guesses.end();
  EXPECT_TRUE(guesses.start({"f", "2"}, Foresight::kGuessed, giving("two")));
}

TEST(GuessesTest, AStopReachesTheGuessThatIsWaitedFor) {
  std::stop_source stop;
  Guesses guesses(1);
  guesses.start({"f", "1"}, Foresight::kGuessed, wait);
  const auto guess = guesses.take({"f", "1"});
  stop.request_stop();
  EXPECT_EQ(guess->wait(stop.get_token()).result->status, ToolStatus::kFailed);
}

TEST(GuessesTest, WhatThrowsHasNoResult) {
  Guesses guesses(1);
  guesses.start({"f", "1"}, Foresight::kGuessed, [](const std::stop_token&) -> ToolResult { throw std::runtime_error("no"); });
  EXPECT_FALSE(guesses.take({"f", "1"})->wait({}).result);
}

}  // namespace
}  // namespace toccata::agent
