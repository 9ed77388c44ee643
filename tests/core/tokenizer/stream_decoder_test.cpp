#include <gtest/gtest.h>

#include "core/tokenizer/tokenizer.h"
#include "core/tokenizer/utf8.h"
#include "tests/core/tokenizer/random_text.h"

namespace toccata::tokenizer {
namespace {

class StreamDecoderTest : public testing::Test {
 protected:
  // The token of a single byte.
  Token byte(char c) const { return tokenizer_->encode({&c, 1}).at(0); }
  const std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::o200k_harmony();
  StreamDecoder decoder_{*tokenizer_};
};

TEST_F(StreamDecoderTest, HoldsBackAnUnfinishedCharacter) {
  EXPECT_EQ(decoder_.push(24912), "hello");
  EXPECT_EQ(decoder_.push(byte('\xF0')), "");
  EXPECT_EQ(decoder_.push(byte('\x9F')), "");
  EXPECT_EQ(decoder_.push(byte('\x98')), "");
  EXPECT_EQ(decoder_.push(byte('\x80')), "😀");
  EXPECT_EQ(decoder_.finish(), "");
}

TEST_F(StreamDecoderTest, ReplacesWhatCannotBecomeACharacter) {
  EXPECT_EQ(decoder_.push(byte('\xF0')), "");
  EXPECT_EQ(decoder_.push(24912), "\uFFFDhello");
  EXPECT_EQ(decoder_.push(byte('\x80')), "\uFFFD");
  EXPECT_EQ(decoder_.push(byte('\xE4')), "");
  EXPECT_EQ(decoder_.push(201088), "\uFFFD\uFFFD");
  EXPECT_EQ(decoder_.push(-1), "\uFFFD");
  EXPECT_EQ(decoder_.push(byte('\xE4')), "");
  EXPECT_EQ(decoder_.finish(), "\uFFFD");
  EXPECT_EQ(decoder_.finish(), "");
}

TEST_F(StreamDecoderTest, GivesTheSameTextAsAllTokensAtOnce) {
  RandomText random(5);
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = random.next(20) + random.bytes(40);
    StreamDecoder decoder(*tokenizer_);
    std::string text;
    for (const char c : bytes) {
      text += decoder.push(byte(c));
      ASSERT_TRUE(is_valid_utf8(text));
    }
    EXPECT_EQ(text + decoder.finish(), to_valid_utf8(bytes));
  }
}

TEST(ToValidUtf8Test, ReplacesMaximalSubparts) {
  EXPECT_EQ(to_valid_utf8(""), "");
  EXPECT_EQ(to_valid_utf8("plain é 亚 😀"), "plain é 亚 😀");
  // The example of the Unicode standard, table 3-11.
  EXPECT_EQ(
      to_valid_utf8("a\xF1\x80\x80\xE1\x80\xC2"
                    "b\x80"
                    "c\x80\xBF"
                    "d"),
      "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd"
  );
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  EXPECT_EQ(to_valid_utf8("x\xE4\xBA"), "x\uFFFD");
}

TEST(ReadUtf8Test, ReadsEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    std::string text;
    append_utf8(text, c);
    const Utf8Char read = read_utf8(text);
    if (0xD800 <= c && c <= 0xDFFF) {
      ASSERT_EQ(read.status, Utf8Status::kIllFormed) << static_cast<std::uint32_t>(c);
      continue;
    }
    ASSERT_EQ(read.status, Utf8Status::kValid) << static_cast<std::uint32_t>(c);
    ASSERT_EQ(read.code_point, c);
    ASSERT_EQ(read.length, text.size());
    if (text.size() > 1) {
      ASSERT_EQ(
          read_utf8(std::string_view(text).substr(0, text.size() - 1)).status,
          Utf8Status::kTruncated
      );
    }
  }
}

}  // namespace
}  // namespace toccata::tokenizer
