// The hand-written splitters against PCRE2 on the patterns themselves.
//
// PCRE2 10.42 knows Unicode 14, so only characters that are older are compared; scripts/check_tokenizer.py
// compares the newer ones with tiktoken.
#include <gtest/gtest.h>

#include "core/tokenizer/splitter.h"
#include "tests/core/tokenizer/random_text.h"

#ifdef TOCCATA_TEST_HAS_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

namespace toccata::tokenizer {
namespace {

#ifdef TOCCATA_TEST_HAS_PCRE2

constexpr char kO200k[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kNano[] = R"([A-Za-z]+|[0-9]{1,2}| |\n|[^A-Za-z0-9\s]+|\s)";

class Pcre2Splitter {
 public:
  explicit Pcre2Splitter(std::string_view pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(
        reinterpret_cast<PCRE2_SPTR>(pattern.data()),
        pattern.size(),
        PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED,
        &error,
        &offset,
        nullptr
    );
    match_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~Pcre2Splitter() {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }
  Pcre2Splitter(const Pcre2Splitter&) = delete;
  Pcre2Splitter& operator=(const Pcre2Splitter&) = delete;

  std::size_t piece(std::string_view text) const {
    const int n = pcre2_match(
        code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, match_, nullptr
    );
    return n > 0 ? pcre2_get_ovector_pointer(match_)[1] : 0;
  }

 private:
  pcre2_code* code_ = nullptr;
  pcre2_match_data* match_ = nullptr;
};

void expect_same_pieces(Splitter splitter, const Pcre2Splitter& oracle, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = splitter(text);
    ASSERT_EQ(length, oracle.piece(text)) << "at `" << text << "`";
    text.remove_prefix(length);
  }
}

// Unicode 16's Garay letters and the like are in the pools of RandomText: leave them out.
bool is_older_than_unicode_15(std::string_view text) {
  return text.find("\xF0\x90\xB5") == std::string_view::npos &&
         text.find("\xF0\x91\xB6") == std::string_view::npos;
}

TEST(SplitterOracleTest, BothSplittersAgreeWithPcre2) {
  const Pcre2Splitter o200k(kO200k);
  const Pcre2Splitter nano(kNano);
  RandomText random(6);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random.next(40);
    if (!is_older_than_unicode_15(text)) continue;
    expect_same_pieces(o200k_piece, o200k, text);
    expect_same_pieces(nano_piece, nano, text);
    if (HasFatalFailure()) return;
  }
}

#else

TEST(SplitterOracleTest, BothSplittersAgreeWithPcre2) {
  GTEST_SKIP() << "built without libpcre2-dev";
}

#endif

}  // namespace
}  // namespace toccata::tokenizer
