#include "core/base/json.h"
#include "tools/browser/text_wrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace toccata::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(WrapLineTest, NothingHasNoLines) { EXPECT_THAT(wrap_line("", 10), IsEmpty()); }

TEST(WrapLineTest, BlanksStayAtTheBreak) {
  EXPECT_THAT(wrap_line("aaaa bbbb cccc", 10), ElementsAre("aaaa bbbb ", "cccc"));
  EXPECT_THAT(wrap_line("aaaaa bbbb cccc", 10), ElementsAre("aaaaa bbbb", " cccc"));
}

TEST(WrapLineTest, WidthCountsCharactersNotBytes) {
  EXPECT_THAT(wrap_line("äöüäöüäöüä", 10), ElementsAre("äöüäöüäöüä"));
  EXPECT_THAT(wrap_line("日本語日本語", 4), ElementsAre("日本語日", "本語"));
}

TEST(WrapLineTest, OnlyAsciiBlanksBreak) {
  EXPECT_THAT(wrap_line("aaa\u00A0bbb\u3000ccc", 5), ElementsAre("aaa\u00A0b", "bb\u3000cc", "c"));
}

TEST(WrapLineTest, InvalidBytesBecomeReplacementCharacters) { EXPECT_THAT(wrap_line("a\xFF", 5), ElementsAre("a\uFFFD")); }

// Recorded from CPython 3.11: textwrap.wrap(text, width, replace_whitespace=False, drop_whitespace=False).
TEST(WrapLineTest, CutsAsPythonDoes) {
  std::ifstream file(std::string(TOCCATA_SOURCE_DIR) + "/tests/data/browser/wrap.jsonl");
  int n_cases = 0;
  for (std::string line; std::getline(file, line); ++n_cases) {
    const auto wanted = json_from_valid<nlohmann::json>(line);
    const std::string text = wanted["text"];
    EXPECT_EQ(wrap_line(text, wanted["width"]), wanted["lines"].get<std::vector<std::string>>()) << wanted["text"];
  }
  EXPECT_GE(n_cases, 500);
}

}  // namespace
}  // namespace toccata::tools
