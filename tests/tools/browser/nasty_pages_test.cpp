// Pages as strangers write them. Files under tests/data/browser/nasty hold a page (.html) and what a reader gets of it
// (.txt); the large ones are made here. TOCCATA_RECORD=1 writes the .txt instead of comparing: read the difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/base/mapped_file.h"
#include "tools/browser/html_tree.h"
#include "tools/browser/page_text.h"
#include "tools/browser/page_view.h"
#include "tools/browser/text.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

PageText read(const std::string& source) {
  return page_text({"https://nasty.example/dir/page.html?x=1", "", source, DocumentKind::kHtml});
}

std::string repeated(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::vector<fs::path> pages() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(TOCCATA_SOURCE_DIR) / "tests/data/browser/nasty")) {
    if (entry.path().extension() == ".html") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string written(const PageText& page) {
  std::string out = "title: " + page.title + "\n" + page.text + "\n";
  for (std::size_t i = 0; i < page.links.size(); ++i) out += "link " + std::to_string(i) + ": " + page.links[i] + "\n";
  return out;
}

class NastyPageTest : public ::testing::TestWithParam<fs::path> {};

TEST_P(NastyPageTest, ReadsAsRecorded) {
  const PageText page = read(read_text_file(GetParam()).value_or_throw());
  fs::path golden = GetParam();
  golden.replace_extension(".txt");
  if (std::getenv("TOCCATA_RECORD") != nullptr) std::ofstream(golden) << written(page);
  EXPECT_EQ(written(page), read_text_file(golden).value_or_throw());
  EXPECT_EQ(valid_utf8(page.text), page.text);
}

INSTANTIATE_TEST_SUITE_P(Recorded, NastyPageTest, ::testing::ValuesIn(pages()), [](const auto& page) {
  return "P" + page.param.stem().string();
});

TEST(NastyPagesTest, AreAllThere) { EXPECT_GE(pages().size(), 60U); }

// Every page cut at every byte is still read, and gives valid text without forged markers.
TEST(NastyPagesTest, CutAnywhereTheyAreStillRead) {
  for (const fs::path& file : pages()) {
    const std::string source = read_text_file(file).value_or_throw();
    const std::size_t step = std::max<std::size_t>(1, source.size() / 200);
    for (std::size_t end = 0; end < source.size(); end += step) {
      const PageText page = read(source.substr(0, end));
      ASSERT_EQ(valid_utf8(page.text), page.text) << file << " cut at " << end;
    }
  }
}

// Nesting that a parser frees, or a reader walks, by recursion would end the program.
TEST(NastyPagesTest, AnyNestingIsRead) {
  for (const char* tags : {"<div>", "<div></nope>", "<b><div></b>", "<b><i><u><font color=1>", "<ul><li>", "<table><tr><td>",
                           "<svg><p><x/>", "<math><mi><y>", "<blockquote>", "<a href=x><div>", "<button>"}) {
    EXPECT_THAT(read(repeated(tags, 3000) + " the bottom").text, HasSubstr("the bottom")) << tags;
  }
  EXPECT_EQ(read(repeated("<div>", 300000) + "the bottom").text, "the bottom");
  EXPECT_EQ(read(repeated("<svg><td>", 300000) + "drawn").text, "");
}

TEST(NastyPagesTest, AParseThatOutgrowsItsMemoryIsLeft) {
  const std::string source = repeated("<p>words</p>", 100000);
  HtmlTree small;
  EXPECT_FALSE(small.parse(source, HtmlLimits{1 << 20, 2}));
  HtmlTree large;
  EXPECT_TRUE(large.parse(source));
}

TEST(NastyPagesTest, AParseThatTakesTooLongIsLeft) {
  HtmlTree tree;
  EXPECT_FALSE(tree.parse(repeated("<x>", 300000) + repeated("</y>", 300000), HtmlLimits{std::size_t{1} << 30, 0.05}));
}

TEST(NastyPagesTest, ScriptsThatLookDeepAreNoNesting) {
  const PageText page =
      read("<script>" + repeated("if (a<b) x<c;", 5000) + "</script><p>see <a href='/a'>link</a></p>");
  EXPECT_EQ(page.text, "see 【0†link】");
}

TEST(NastyPagesTest, TwentyThousandLinksKeepTheirIds) {
  std::string source;
  for (int i = 0; i < 20000; ++i) source += "<a href='/p" + std::to_string(i) + "'>link " + std::to_string(i) + "</a>\n";
  const PageText page = read(source);
  ASSERT_EQ(page.links.size(), 20000U);
  EXPECT_EQ(page.links[19999], "https://nasty.example/p19999");
  EXPECT_THAT(page.text, HasSubstr("【19999†link 19999】"));
}

TEST(NastyPagesTest, AMillionInvisibleCharactersGoAtOnce) {
  EXPECT_EQ(read("<p>a" + repeated("\u200B", 1000000) + "b</p>").text, "ab");
}

TEST(NastyPagesTest, OneLineOfMegabytesIsWrapped) {
  const auto lines = text_lines(read("<p>" + repeated("0123456789", 200000) + "</p>").text);
  EXPECT_EQ(lines.size(), 25000U);
}

TEST(NastyPagesTest, MoreThanTheLimitIsCut) {
  const PageText page = read("<p>start</p>" + repeated("<p>filler filler filler</p>", 800000) + "<p>the end</p>");
  EXPECT_THAT(page.text, HasSubstr("start"));
  EXPECT_THAT(page.text, Not(HasSubstr("the end")));
}

TEST(NastyPagesTest, ArbitraryBytesAreRead) {
  std::uint64_t state = 42;
  const std::string alphabet = "<>/=\"'&;#! abpdiv\xC3\xA9\xE3\x80\x90\xFF\x00-[]";
  for (int round = 0; round < 2000; ++round) {
    std::string source;
    for (int i = 0; i < 120; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      source += alphabet[(state >> 33) % alphabet.size()];
    }
    const PageText page = read(source);
    ASSERT_EQ(valid_utf8(page.text), page.text) << source;
  }
}

}  // namespace
}  // namespace toccata::tools
