#include "agent/cli/markdown_ink.h"

#include <gtest/gtest.h>

#include <random>

namespace toccata::cli {
namespace {

// Styles as <codes>, so that expectations can be read.
std::string readable(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\x1b') {
      out += text[i];
      continue;
    }
    const std::size_t end = text.find('m', i);
    out += "<" + text.substr(i + 2, end - i - 2) + ">";
    i = end;
  }
  return out;
}

std::string inked(const std::string& text) {
  MarkdownInk ink;
  std::string out = ink.push(text);
  out += ink.finish();
  EXPECT_TRUE(out.ends_with("\x1b[0m"));
  return readable(out.substr(0, out.size() - 4));
}

TEST(MarkdownInkTest, MarksBecomeStyles) {
  EXPECT_EQ(inked("# Title\ntext"), "<0;1>Title<0>\ntext");
  EXPECT_EQ(inked("a **b c** d"), "a <0;1>b c<0> d");
  EXPECT_EQ(inked("a *b* **c *d* e**"), "a <0;3>b<0> <0;1>c <0;1;3>d<0;1> e<0>");
  EXPECT_EQ(inked("use `x*y*` and ``a`b``"), "use <0;36>x*y*<0> and <0;36>a`b<0>");
  EXPECT_EQ(inked("- one\n  * two\n+ three"), "• one\n  • two\n• three");
  EXPECT_EQ(inked("> said\nnot"), "<0;2>│ said<0>\nnot");
  EXPECT_EQ(inked("```cpp\nint *p = **q;\n```\nend"), "<0;2>```cpp\n<0;36>int *p = **q;\n```<0>\nend");
}

TEST(MarkdownInkTest, WhatIsNoMarkupStays) {
  for (const char* text : {"2 * 3 * 4", "a*b*c", "-1 and +2", "#tag", "snake_case_name", "5 ** 2", "", "\n\n", "| a | b |\n|---|---|", "1. first\n2. second",
                           "*** \n", "a - b", "x > y", "~20 files"}) {
    EXPECT_EQ(inked(text), text);
  }
  EXPECT_EQ(inked(R"(\*not\* and C:\dir\\)"), R"(*not* and C:\dir\)");
}

TEST(MarkdownInkTest, NothingStaysOpenBehindItsLine) {
  EXPECT_EQ(inked("a **b\nc"), "a <0;1>b<0>\nc");
  EXPECT_EQ(inked("a `b\nc"), "a <0;36>b<0>\nc");
}

TEST(MarkdownInkTest, PiecesGiveWhatTheWholeGives) {
  const std::string parts[] = {"**", "*", "`", "```", "\n", "# ", "- ", " ", "word", "> ", "\\", "é", "~~~", "~", "#", "-", "1. "};
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (unsigned n = random() % 14; n > 0; --n) text += parts[random() % std::size(parts)];
    MarkdownInk ink;
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = 1 + random() % 3;
      out += ink.push(std::string_view(text).substr(at, n));
      at += n;
    }
    out += ink.finish();
    ASSERT_EQ(readable(out.substr(0, out.size() - 4)), inked(text)) << text;
  }
}

}  // namespace
}  // namespace toccata::cli
