#include "tools/files/line_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::tools {
namespace {

using Answer = LinePattern::Answer;
using testing::HasSubstr;

Answer find(const std::string& pattern, const std::string& line, LinePattern::Options options = {}) {
  return LinePattern::parse(pattern, options).value_or_throw().find_in(line);
}

TEST(LinePatternTest, RegularExpressions) {
  EXPECT_EQ(find("^a.*[0-9]$", "a b 7"), Answer::kYes);
  EXPECT_EQ(find("^a.*[0-9]$", "b a 7"), Answer::kNo);
  EXPECT_EQ(find("\\bÄ\\w+", "über Ärger"), Answer::kYes);
}

TEST(LinePatternTest, PlainTextAndCase) {
  EXPECT_EQ(find("a.b(", "x a.b( y", {.literal = true}), Answer::kYes);
  EXPECT_EQ(find("a.b(", "x aab( y", {.literal = true}), Answer::kNo);
  EXPECT_EQ(find("ärger", "ÄRGER", {.ignore_case = true}), Answer::kYes);
  EXPECT_EQ(find("A.B", "xa.b", {.literal = true, .ignore_case = true}), Answer::kYes);
}

TEST(LinePatternTest, BytesThatAreNoTextDoNotDisturb) {
  EXPECT_EQ(find("needle", "\xff\xfe needle \xc3"), Answer::kYes);
  EXPECT_EQ(find("é", "\xc3"), Answer::kNo);
}

TEST(LinePatternTest, MistakesAreNamed) {
  const auto parsed = LinePattern::parse("a(b", {});
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.error().message, HasSubstr("at byte 3"));
  EXPECT_FALSE(LinePattern::parse("", {}).ok());
  EXPECT_FALSE(LinePattern::parse(std::string(5000, 'a'), {}).ok());
  EXPECT_FALSE(LinePattern::parse("((a{1000}){1000}){10}", {}).ok());
}

TEST(LinePatternTest, PatternsThatWouldNeverEndGiveUp) {
  EXPECT_EQ(find("^(a+)+$", std::string(60, 'a') + "b"), Answer::kTooCostly);
  EXPECT_EQ(find("(x+x+)+y", std::string(100, 'x')), Answer::kNo) << "needs a y, which is not there";
  EXPECT_EQ(find("(?:.*a){20}$", std::string(3000, 'a') + "b"), Answer::kTooCostly);
}

}  // namespace
}  // namespace toccata::tools
