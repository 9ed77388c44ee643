#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/base/mapped_file.h"
#include "core/tokenizer/tokenizer.h"
#include "tests/core/tokenizer/sha256.h"

namespace toccata::tokenizer {
namespace {

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? static_cast<std::uint8_t>(group[i]) : 0);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text.push_back(i <= group.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=');
    }
  }
  return text;
}

// The file that OpenAI publishes, rebuilt from the embedded tokens.
std::string tiktoken_file() {
  const auto tokenizer = Tokenizer::o200k_harmony();
  std::string text;
  for (Token token = 0; token < 199998; ++token) {
    text += base64(*tokenizer->token_bytes(token)) + " " + std::to_string(token) + "\n";
  }
  return text;
}

std::filesystem::path test_data() {
  const char* folder = std::getenv("TOCCATA_TEST_DATA");
  return folder != nullptr ? folder : TOCCATA_SOURCE_DIR "/../shared/data";
}

TEST(Sha256Test, AgreesWithThePublishedExamples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
  );
}

TEST(EmbeddedVocabularyTest, IsThePublishedOne) {
  EXPECT_EQ(
      sha256(tiktoken_file()), "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
  );
}

TEST(EmbeddedVocabularyTest, EqualsTheFileByteForByte) {
  const auto file = read_text_file(test_data() / "o200k_base.tiktoken");
  if (!file) GTEST_SKIP() << "no o200k_base.tiktoken in " << test_data() << " (TOCCATA_TEST_DATA)";
  EXPECT_TRUE(tiktoken_file() == *file);
}

}  // namespace
}  // namespace toccata::tokenizer
