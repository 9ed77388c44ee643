#include "core/tokenizer/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tokenizer/unicode_classes.h"
#include "tests/core/tokenizer/random_text.h"

namespace toccata::tokenizer {
namespace {

using testing::ElementsAre;

std::vector<std::string> split(Splitter splitter, std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const std::size_t length = splitter(text);
    EXPECT_GE(length, 1U);
    EXPECT_LE(length, text.size());
    if (length == 0 || length > text.size()) break;
    pieces.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}
std::vector<std::string> o200k(std::string_view text) { return split(o200k_piece, text); }
std::vector<std::string> nano(std::string_view text) { return split(nano_piece, text); }

TEST(O200kSplitterTest, PutsOneSpaceOrSymbolBeforeAWord) {
  EXPECT_THAT(o200k("hello  world"), ElementsAre("hello", " ", " world"));
  EXPECT_THAT(o200k("(hello)world"), ElementsAre("(hello", ")world"));
  EXPECT_THAT(o200k("\tx\ny"), ElementsAre("\tx", "\n", "y"));
}

TEST(O200kSplitterTest, EndsAWordBeforeANewCapital) {
  EXPECT_THAT(o200k("HTMLParser"), ElementsAre("HTMLParser"));
  EXPECT_THAT(o200k("iPhoneX"), ElementsAre("i", "Phone", "X"));
  EXPECT_THAT(o200k("HTML"), ElementsAre("HTML"));
}

TEST(O200kSplitterTest, GivesBackCapitalsAfterCaselessLetters) {
  EXPECT_THAT(o200k("亚洲AV"), ElementsAre("亚洲", "AV"));
  EXPECT_THAT(o200k("AV亚洲AV亚a"), ElementsAre("AV亚洲AV亚a"));
}

TEST(O200kSplitterTest, TakesAMarkAsPrefixOrAsLetter) {
  EXPECT_THAT(o200k("\u0301abc"), ElementsAre("\u0301abc"));
  EXPECT_THAT(o200k("\u0301ABC"), ElementsAre("\u0301", "ABC"));
  EXPECT_THAT(o200k("!\u0301A"), ElementsAre("!\u0301", "A"));
  EXPECT_THAT(o200k("!!\u0301a"), ElementsAre("!!\u0301", "a"));
}

TEST(O200kSplitterTest, KeepsContractionsWithTheirWordInAnyCase) {
  EXPECT_THAT(o200k("it's WE'LL x'Re y'"), ElementsAre("it's", " WE'LL", " x'Re", " y", "'"));
  EXPECT_THAT(o200k("'s"), ElementsAre("'s"));
  EXPECT_THAT(o200k("1's"), ElementsAre("1", "'s"));
  EXPECT_THAT(o200k("a\'\u017f"), ElementsAre("a\'\u017f"));  // the long s folds to s
  EXPECT_THAT(o200k("a'r"), ElementsAre("a", "'r"));
  EXPECT_THAT(o200k("a'sb"), ElementsAre("a's", "b"));
}

TEST(O200kSplitterTest, CutsNumbersInThrees) {
  EXPECT_THAT(o200k("12345678"), ElementsAre("123", "456", "78"));
  EXPECT_THAT(o200k("x1½Ⅷ2"), ElementsAre("x", "1½Ⅷ", "2"));
}

TEST(O200kSplitterTest, LetsSymbolsTakeNewlinesAndSlashes) {
  EXPECT_THAT(o200k(" ...\n/\n x"), ElementsAre(" ...\n/\n", " x"));
  EXPECT_THAT(o200k("{}\t;"), ElementsAre("{}", "\t", ";"));
}

TEST(O200kSplitterTest, LeavesTheLastSpaceToTheNextPiece) {
  EXPECT_THAT(o200k("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(o200k("a   1"), ElementsAre("a", "  ", " ", "1"));
  EXPECT_THAT(o200k("a   "), ElementsAre("a", "   "));
  EXPECT_THAT(o200k(" \n \n  b"), ElementsAre(" \n \n", " ", " b"));
}

TEST(O200kSplitterTest, KnowsWhatUnicodeCallsWhiteSpace) {
  EXPECT_THAT(o200k("1\u0085\u00851"), ElementsAre("1", "\u0085", "\u0085", "1"));
  EXPECT_THAT(o200k("1\ufeff\ufeff1"), ElementsAre("1", "\ufeff\ufeff", "1"));
}

TEST(O200kSplitterTest, KnowsTheLettersOfUnicode16AndNoLater) {
  EXPECT_THAT(o200k("1\U00010d50\U00010d70"), ElementsAre("1", "\U00010d50\U00010d70"));
  EXPECT_THAT(o200k("1!\ua7ce\ua7ce"), ElementsAre("1", "!\ua7ce\ua7ce"));  // a letter since 17
}

TEST(O200kSplitterTest, TreatsABadByteAsTheEndOfTheText) {
  EXPECT_THAT(o200k("ab\xFF  \xFFz"), ElementsAre("ab", "\xFF", "  ", "\xFF", "z"));
  EXPECT_THAT(o200k("!!\xE4\xBA"), ElementsAre("!!", "\xE4", "\xBA"));
}

TEST(NanoSplitterTest, SplitsByItsPattern) {
  EXPECT_THAT(nano("Hello  world42\n"), ElementsAre("Hello", " ", " ", "world", "42", "\n"));
  EXPECT_THAT(nano("12345"), ElementsAre("12", "34", "5"));
  EXPECT_THAT(nano("f(x)=='é'\t"), ElementsAre("f", "(", "x", ")=='é'", "\t"));
  EXPECT_THAT(nano("é\u0085\u00a0\ufeff"), ElementsAre("é", "\u0085", "\u00a0", "\ufeff"));
  EXPECT_THAT(nano("!\xFF!"), ElementsAre("!", "\xFF", "!"));
}

TEST(SplitterTest, PiecesAreTheText) {
  RandomText random(4);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = i % 2 == 0 ? random.next(60) : random.bytes(60);
    for (const Splitter splitter : {o200k_piece, nano_piece}) {
      std::string joined;
      for (const std::string& piece : split(splitter, text)) joined += piece;
      EXPECT_EQ(joined, text);
    }
  }
}

TEST(SplitterTest, KnowsTwoPatterns) {
  EXPECT_EQ(splitter_for(R"([A-Za-z]+|[0-9]{1,2}| |\n|[^A-Za-z0-9\s]+|\s)"), nano_piece);
  EXPECT_FALSE(splitter_for(R"(\w+)"));
}

TEST(UnicodeClassesTest, CoverTheWholeRange) {
  EXPECT_EQ(unicode_class(U'a'), kLower | kLetter);
  EXPECT_EQ(unicode_class(U'Ǆ'), kUpper | kLetter);
  EXPECT_EQ(unicode_class(U'亚'), kUpper | kLower | kLetter);
  EXPECT_EQ(unicode_class(0x301), kUpper | kLower);
  EXPECT_EQ(unicode_class(0x10FFFF), 0);
  int letters = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) letters += (unicode_class(c) & kLetter) != 0;
  EXPECT_EQ(letters, 141028);  // of Unicode 16.0: Lu 1858, Ll 2258, Lt 31, Lm 404, Lo 136477
}

}  // namespace
}  // namespace toccata::tokenizer
