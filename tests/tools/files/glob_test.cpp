#include "tools/files/glob.h"

#include <gtest/gtest.h>

#include <chrono>

namespace toccata::tools {
namespace {

bool matches(const std::string& pattern, const std::string& path) {
  return Glob::parse(pattern).value_or_throw().matches(path);
}

TEST(GlobTest, ANameAloneIsLookedForEverywhere) {
  EXPECT_TRUE(matches("*.py", "a.py"));
  EXPECT_TRUE(matches("*.py", "src/deep/a.py"));
  EXPECT_FALSE(matches("*.py", "a.pyc"));
  EXPECT_FALSE(matches("*.py", "a.py/b"));
}

TEST(GlobTest, FoldersAreNamed) {
  EXPECT_TRUE(matches("src/*.h", "src/a.h"));
  EXPECT_FALSE(matches("src/*.h", "src/x/a.h"));
  EXPECT_FALSE(matches("src/*.h", "lib/src/a.h"));
  EXPECT_TRUE(matches("./src//*.h", "src/a.h"));
  EXPECT_TRUE(matches("src/**/*.h", "src/a.h"));
  EXPECT_TRUE(matches("src/**/*.h", "src/x/y/a.h"));
  EXPECT_TRUE(matches("**/t/**", "a/t/b/c"));
  EXPECT_TRUE(matches("**/t/**", "t/c"));
}

TEST(GlobTest, CharactersSetsAndChoices) {
  EXPECT_TRUE(matches("a?c", "abc"));
  EXPECT_FALSE(matches("a?c", "a/c"));
  EXPECT_TRUE(matches("[a-c]x[!0-9]", "bxy"));
  EXPECT_FALSE(matches("[a-c]x[!0-9]", "bx1"));
  EXPECT_TRUE(matches("[]x]", "]"));
  EXPECT_TRUE(matches("a[b", "a[b"));
  for (const char* path : {"a.c", "x/a.h", "a.hpp"}) EXPECT_TRUE(matches("*.{c,h{,pp}}", path)) << path;
  EXPECT_FALSE(matches("*.{c,h{,pp}}", "a.hp"));
}

TEST(GlobTest, WrongPatternsAreRefused) {
  EXPECT_FALSE(Glob::parse("").ok());
  EXPECT_FALSE(Glob::parse("/").ok());
  EXPECT_FALSE(Glob::parse("{a,b").ok());
  EXPECT_FALSE(Glob::parse("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}").ok()) << "128 choices";
  EXPECT_FALSE(Glob::parse(std::string(2000, 'a')).ok());
}

// Would take longer than the age of the world if stars were tried in every combination.
TEST(GlobTest, ManyStarsEnd) {
  std::string pattern, folders;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(matches(pattern + "b", std::string(2000, 'a')));
  for (int i = 0; i < 200; ++i) folders += "**/";
  std::string path;
  for (int i = 0; i < 500; ++i) path += "x/";
  EXPECT_FALSE(matches(folders + "y", path + "z"));
}

}  // namespace
}  // namespace toccata::tools
