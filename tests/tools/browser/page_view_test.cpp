#include "tools/browser/page_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/token_prefix.h"
#include "tools/browser/text.h"

namespace toccata::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// As if every character were a token.
const TokenPrefix kChars = [](std::string_view text, std::size_t n) { return std::min(n, count_chars(text) + 1); };

Page page_of(std::vector<std::string> lines) {
  Page page;
  page.title = "T";
  page.lines = std::move(lines);
  return page;
}

TEST(ShowPageTest, NumbersLinesFromZero) {
  Page page = page_of(page_lines("https://a.example/x", "one\n\ntwo"));
  page.url = "https://a.example/x";
  EXPECT_EQ(
      show_page(page, 3, 0, -1, kChars),
      "[3] T (https://a.example/x)\n**viewing lines [0 - 4] of 4**\n\nL0: \nL1: URL: https://a.example/x\nL2: one\nL3: \nL4: two"
  );
}

TEST(ShowPageTest, LeavesOutAnEmptyUrl) {
  EXPECT_EQ(show_page(page_of({"x"}), 0, 0, -1, kChars), "[0] T\n**viewing lines [0 - 0] of 0**\n\nL0: x");
}

TEST(ShowPageTest, NumLinesHasNoTokenLimit) {
  const Page page = page_of(std::vector<std::string>(500, std::string(80, 'x')));
  EXPECT_THAT(show_page(page, 0, 0, 400, kChars), HasSubstr("viewing lines [0 - 399] of 499"));
  EXPECT_THAT(show_page(page, 0, 450, 400, kChars), HasSubstr("viewing lines [450 - 499] of 499"));
}

TEST(ShowPageTest, TheWindowEndsWithTheLineThatHoldsItsLastToken) {
  // Whole lines while they fit; the next one holds character 1,024 and is shown too.
  const Page page = page_of(std::vector<std::string>(500, "x"));
  std::string text;
  int line = 0;
  while (true) {
    const std::string next = "L" + std::to_string(line++) + ": x\n";
    if (text.size() + next.size() > 1024) break;
    text += next;
  }
  const auto last = std::count(text.begin(), text.end(), '\n');
  EXPECT_THAT(show_page(page, 0, 0, -1, kChars), HasSubstr("viewing lines [0 - " + std::to_string(last) + "] of 499"));
}

TEST(ShowPageTest, ShortTextIsNotMeasured) {
  const TokenPrefix never = [](std::string_view, std::size_t) -> std::size_t { throw std::logic_error("asked"); };
  // 960 characters and their numbers, 2,800 bytes.
  std::string wide;
  for (int i = 0; i < 240; ++i) wide += "語";
  EXPECT_THAT(show_page(page_of({wide, wide, wide, wide}), 0, 0, -1, never), HasSubstr("[0 - 3] of 3"));
}

TEST(ShowPageTest, AnAddressIsDecodedAndBounded) {
  Page page = page_of({"x"});
  page.url = "https://a.example/%C3%A4%0A%00%7F%zz%E3%80%90%FF?q=" + std::string(2000, 'u');
  const std::string shown = show_page(page, 0, 0, -1, kChars);
  EXPECT_THAT(shown, HasSubstr("(https://a.example/ä%0A%00%7F%zz〖\uFFFD?q=uuu"));
  const std::string address = shown.substr(shown.find('(') + 1, shown.find(")\n") - shown.find('(') - 1);
  EXPECT_EQ(count_chars(address), 1024U);
  EXPECT_TRUE(address.ends_with("u..."));
}

TEST(WithoutMarkersTest, KeepsTheTextOfLinks) {
  EXPECT_THAT(without_markers({"a 【0†one】 b 【12†two†host.example】 c"}), ElementsAre("a one b two c"));
}

TEST(WithoutMarkersTest, JoinsMarkersThatWereCutByTheWrap) {
  EXPECT_THAT(without_markers({"x 【7†a long", "label", "ends†host-", "name】 y"}), ElementsAre("x a long", "label", "ends", " y"));
  EXPECT_THAT(without_markers({"x 【1", "7†label】 y"}), ElementsAre("x ", "label y"));
}

TEST(WithoutMarkersTest, ADaggerOutsideAMarkerIsText) {
  EXPECT_THAT(without_markers({"a † b", "c 】 d"}), ElementsAre("a † b", "c 】 d"));
}

TEST(ShortenedTest, CountsCharacters) {
  EXPECT_EQ(shortened("äöü", 3), "äöü");
  EXPECT_EQ(shortened("äöüß", 3), "...");
  EXPECT_EQ(shortened("äöüßäöü", 6), "äöü...");
}

TEST(TokenPrefixTest, CountsWhatEachTokenDecodesToByItself) {
  const TokenPrefix prefix = cli::o200k_prefix();
  EXPECT_GT(prefix("three short words", 1024), 17U) << "no more tokens than asked for";
  EXPECT_EQ(prefix("three short words", 1), 5U);
  // A character of three tokens counts three.
  std::string rare;
  for (int i = 0; i < 600; ++i) rare += "\U000130B8";
  EXPECT_GE(prefix(rare, 1024), 1024U);
}

}  // namespace
}  // namespace toccata::tools
