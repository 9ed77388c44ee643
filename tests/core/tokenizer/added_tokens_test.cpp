#include "core/tokenizer/added_tokens.h"

#include <gtest/gtest.h>

namespace toccata::tokenizer {
namespace {

TEST(AddedTokenMatcherTest, FindsTheLeftmostAndThereTheLongest) {
  const AddedTokenMatcher matcher({{"bc", 1}, {"abcd", 2}, {"ab", 3}, {"\xFF", 4}, {"ab", 9}});
  const auto found = matcher.find("xxabcabcd", 0);
  EXPECT_EQ(found.begin, 2U);
  EXPECT_EQ(found.length, 2U);
  EXPECT_EQ(found.token, 3);
  EXPECT_EQ(matcher.find("xxabcabcd", 4).token, 2);
  EXPECT_EQ(matcher.find("xxbcabcd", 1).token, 1);
  EXPECT_EQ(matcher.find("a\xFF", 0).begin, 1U);
}

TEST(AddedTokenMatcherTest, SaysWhenNothingIsThere) {
  const AddedTokenMatcher matcher({{"<|end|>", 1}});
  for (const char* text : {"", "<", "<|end|", "<|end|<|en"}) {
    EXPECT_EQ(matcher.find(text, 0).length, 0U) << text;
    EXPECT_EQ(matcher.find(text, 0).begin, std::string(text).size()) << text;
  }
  EXPECT_EQ(matcher.find("<|end|>", 1).length, 0U);
  EXPECT_EQ(AddedTokenMatcher().find("abc", 0).begin, 3U);
}

}  // namespace
}  // namespace toccata::tokenizer
