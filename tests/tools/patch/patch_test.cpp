#include "tools/patch/patch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace toccata::tools {
namespace {

using testing::HasSubstr;

std::string wrapped(const std::string& body) {
  return "*** Begin Patch\n" + body + "*** End Patch\n";
}

// The text after a patch of one updated file; an error is its message.
std::string applied(const std::string& text, const std::string& hunks) {
  const auto changes = parse_patch(wrapped("*** Update File: f\n" + hunks));
  if (!changes) return changes.error().message;
  const auto result = apply_hunks(text, changes->at(0).hunks);
  return result ? *result : result.error().message;
}

TEST(PatchTest, ReadsEveryKindOfChange) {
  const auto changes = parse_patch(wrapped(
      "*** Add File: a/b\n+one\n+\n*** Delete File: c\n*** Update File: d\n*** Move to: e\n"
      "@@ class X\n x\n-y\n+z\n*** End of File\n"
  ));
  ASSERT_TRUE(changes.ok()) << changes.error().message;
  ASSERT_EQ(changes->size(), 3U);
  EXPECT_EQ((*changes)[0].text, "one\n\n");
  EXPECT_EQ((*changes)[1].kind, FileChange::Kind::kDelete);
  EXPECT_EQ((*changes)[2].move_to, "e");
  EXPECT_EQ((*changes)[2].hunks.at(0).header, "class X");
  EXPECT_TRUE((*changes)[2].hunks.at(0).at_end);
}

TEST(PatchTest, ReplacesWhereTheContextStands) {
  EXPECT_EQ(applied("a\nb\nc\n", "@@\n a\n-b\n+B\n c\n"), "a\nB\nc\n");
  EXPECT_EQ(applied("a\nb\nc\n", "-b\n"), "a\nc\n") << "the first hunk may omit @@";
}

TEST(PatchTest, AHeaderSkipsToItsLine) {
  EXPECT_EQ(applied("x = 1\n  def f:\nx = 1\n", "@@ def f:\n-x = 1\n+x = 2\n"),
            "x = 1\n  def f:\nx = 2\n");
  EXPECT_THAT(applied("a\n", "@@ nowhere\n-a\n"), HasSubstr("Invalid context at 0:\nnowhere"));
}

TEST(PatchTest, HunksFollowEachOther) {
  EXPECT_EQ(applied("a\nb\na\nb\n", "@@\n-a\n+1\n@@\n-a\n+2\n"), "1\nb\n2\nb\n");
  EXPECT_THAT(applied("a\nb\n", "@@\n-b\n+1\n@@\n-a\n+2\n"), HasSubstr("Invalid context at 2:"));
}

TEST(PatchTest, ContextMatchesDespiteBlanksAndKeepsTheFilesOwn) {
  EXPECT_EQ(applied("\ta  \nb\n", "@@\n a\n-b\n+  c\n"), "\ta  \n  c\n");
}

TEST(PatchTest, TheEndIsTriedFirstWhenNamed) {
  EXPECT_EQ(applied("a\nb\na\n", "@@\n-a\n+z\n*** End of File\n"), "a\nb\nz\n");
  EXPECT_EQ(applied("a\nb\n", "@@\n-a\n+z\n*** End of File\n"), "z\nb\n");
}

TEST(PatchTest, AddedLinesAlone) {
  EXPECT_EQ(applied("a\nb\n", "@@\n+c\n"), "a\nb\nc\n");
  EXPECT_EQ(applied("a\nb\n", "@@ a\n+x\n"), "a\nx\nb\n");
  EXPECT_EQ(applied("", "@@\n+c\n"), "c\n");
}

TEST(PatchTest, AnEmptyLineIsEmptyContext) {
  EXPECT_EQ(applied("a\n\nb\n", "@@\n a\n\n-b\n+c\n"), "a\n\nc\n");
}

TEST(PatchTest, AMissingLastNewlineStaysWhereUntouched) {
  EXPECT_EQ(applied("a\nb\nc", "@@\n-a\n+x\n"), "x\nb\nc");
}

TEST(PatchTest, WhatIsWrongIsNamed) {
  const auto error = [](const std::string& text) {
    const auto changes = parse_patch(text);
    return changes ? std::string() : changes.error().message;
  };
  EXPECT_THAT(error(""), HasSubstr("Begin Patch"));
  EXPECT_THAT(error("*** Begin Patch\n*** Delete File: a\n"), HasSubstr("End Patch"));
  EXPECT_THAT(error("*** Begin Patch"), HasSubstr("End Patch"));
  EXPECT_THAT(error(wrapped("nonsense\n")), HasSubstr("Unknown line 1: nonsense"));
  EXPECT_THAT(error(wrapped("*** Add File: a\nx\n")), HasSubstr("Unknown line 2: x"));
  EXPECT_THAT(error(wrapped("*** Delete File: a\n*** Delete File: a\n")), HasSubstr("Duplicate"));
  EXPECT_THAT(error(wrapped("*** Update File: a\n")), HasSubstr("no hunk"));
  EXPECT_THAT(error(wrapped("")), HasSubstr("no file"));
}

TEST(PatchTest, NoMutationCrashes) {
  const std::string whole = wrapped(
      "*** Add File: a\n+one\n*** Update File: d\n*** Move to: e\n@@ x\n x\n-y\n+z\n*** End of File\n"
  );
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = whole;
    for (unsigned n = random() % 4; n < 4; ++n) {
      const std::size_t at = random() % text.size();
      if (random() % 2) text.erase(at, random() % 9);
      else text.insert(at, 1, "\n*@+- x\0\xff"[random() % 9]);
      if (text.empty()) text = "\n";
    }
    const auto changes = parse_patch(text);
    if (!changes) continue;
    for (const FileChange& change : *changes) (void)apply_hunks("x\ny\nw", change.hunks);
  }
}

}  // namespace
}  // namespace toccata::tools
