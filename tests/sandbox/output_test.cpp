#include "sandbox/output.h"

#include <gtest/gtest.h>

#include <random>

namespace toccata::sandbox {
namespace {

std::string shown(const CappedText& text, std::size_t budget, std::size_t* cut = nullptr) {
  std::size_t n_cut = 0;
  std::string result = text.render(budget, n_cut);
  if (cut != nullptr) *cut = n_cut;
  return result;
}

TEST(CappedTextTest, ShortTextIsWhole) {
  CappedText text(10);
  text.add("0123456789");
  text.finish();
  EXPECT_EQ(shown(text, 10), "0123456789");
}

TEST(CappedTextTest, TheMiddleOfLongTextIsCutAndCounted) {
  CappedText text(10);
  text.add("0123456789abcdef");
  std::size_t cut = 0;
  EXPECT_EQ(shown(text, 10, &cut), "01234\n[... 6 characters cut ...]\nbcdef");
  EXPECT_EQ(cut, 6U);
}

TEST(CappedTextTest, CharactersAreCountedNotBytes) {
  CappedText text(4);
  text.add("äöüßäöüß");
  EXPECT_EQ(text.chars(), 8U);
  EXPECT_EQ(shown(text, 4), "äö\n[... 4 characters cut ...]\nüß");
}

TEST(CappedTextTest, IllFormedSequencesBecomeReplacements) {
  EXPECT_EQ(
      to_utf8("a\xFF"
              "b"),
      "a\uFFFDb"
  );
  EXPECT_EQ(to_utf8("\xE2\x82"), "\uFFFD");
  EXPECT_EQ(to_utf8("\xC0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(to_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "surrogates";
  EXPECT_EQ(to_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD") << "above U+10FFFF";
  EXPECT_EQ(to_utf8("\xF0\x9F\x98\x80"), "\U0001F600");
}

TEST(CappedTextTest, TheResultDoesNotDependOnHowTheBytesArrive) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes;
    for (int i = 0; i < 300; ++i)
      bytes += static_cast<char>(random() % 3 == 0 ? random() : 0xE2 - random() % 96);
    CappedText whole(100), pieces(100);
    whole.add(bytes);
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t n = 1 + random() % 5;
      pieces.add(std::string_view(bytes).substr(at, n));
      at += n;
    }
    whole.finish();
    pieces.finish();
    ASSERT_EQ(shown(whole, 100), shown(pieces, 100));
    ASSERT_EQ(whole.chars(), pieces.chars());
  }
}

}  // namespace
}  // namespace toccata::sandbox
