#include "agent/harmony/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::harmony {
namespace {

std::string mended(const std::string& text) { return *json_arguments("functions.f", text); }
std::string defect(const std::string& text) {
  const auto result = json_arguments("functions.f", text);
  return result ? "fine" : result.error().message;
}

TEST(ArgumentsTest, WhatIsWholeComesBackByteForByte) { EXPECT_EQ(mended(R"( {"a" : 1} )"), R"( {"a" : 1} )"); }

TEST(ArgumentsTest, Shape39InvalidCharacterAfterTopLevelValue) {
  EXPECT_EQ(mended(R"({"a":"]}"}]})"), R"({"a":"]}"})");
  EXPECT_THAT(defect(R"({"a":1} Now I wait.)"), testing::HasSubstr("it breaks at byte 9 of 19, after `{\"a\":1} N`"));
  EXPECT_NE(defect(R"({"a":1}{"b":2})"), "fine");
}

TEST(ArgumentsTest, Shape40BrokenQuotesAreReportedWithPlaceAndText) {
  EXPECT_THAT(defect(R"({"a":"x',"b":]})"), testing::HasSubstr("it breaks at byte 11"));
}

TEST(ArgumentsTest, Shape41ShellTextIsNoArguments) { EXPECT_THAT(defect("ls -R"), testing::HasSubstr("byte 1 of 5")); }

TEST(ArgumentsTest, Shape42CutArgumentsAreNotCompleted) { EXPECT_NE(defect(R"({"a":)"), "fine"); }

TEST(ArgumentsTest, Shape44NothingIsAnEmptyObject) {
  EXPECT_EQ(mended(""), "{}");
  EXPECT_EQ(mended(" \n"), "{}");
}

TEST(ArgumentsTest, Shape45TextEscapedTwiceIsNotGuessedAt) { EXPECT_EQ(defect(R"("{\"a\":1}")"), "it is a JSON string"); }

TEST(ArgumentsTest, Shape46WrappedOnceMoreIsUnwrapped) {
  EXPECT_EQ(mended(R"([{"a":1}])"), R"({"a":1})");
  EXPECT_EQ(mended(R"({"name":"f","parameters":{"b":2}})"), R"({"b":2})");
  EXPECT_EQ(mended(R"({"name":"functions.f","arguments":{"b":2}})"), R"({"b":2})");
  EXPECT_EQ(defect(R"([{"a":1},{"b":2}])"), "it is a JSON array");
  // Another name, or another field: those are the arguments.
  EXPECT_EQ(mended(R"({"name":"g","parameters":{}})"), R"({"name":"g","parameters":{}})");
  EXPECT_EQ(mended(R"({"name":"f","parameters":{},"x":1})"), R"({"name":"f","parameters":{},"x":1})");
}

TEST(ArgumentsTest, EndlessNestingIsRefused) { EXPECT_EQ(defect(std::string(100000, '[')), "it is nested deeper than 256"); }

}  // namespace
}  // namespace toccata::harmony
