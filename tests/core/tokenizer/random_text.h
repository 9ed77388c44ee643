// Seeded text of the kinds that tokenizers get wrong.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace toccata::tokenizer {

inline void append_utf8(std::string& text, char32_t c) {
  const auto byte = [&](char32_t value) { text.push_back(static_cast<char>(value)); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
  }
  byte(0x80 | (c & 0x3F));
}

class RandomText {
 public:
  explicit RandomText(std::uint64_t seed) : random_(seed) {}

  // Characters of a few pools, each pool in runs.
  std::string next(std::size_t characters_max) {
    static const std::vector<std::u32string_view> kPools = {
        U"abcdefghijklmnopqrstuvwxyz",
        U"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        U"0123456789\u0660\u00bd\u2167",
        U"    \t\n\r",
        U"\n\r/ ",
        U"\u0085\u00a0\u2003\u2028\u3000\u000b\ufeff\u200b",
        U"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~",
        U"'''sStTmMdDrReEvVlL\u017f",
        U"\u0300\u0301\u0903\u3099\ufe0f",
        U"\u01c5\u01c8\u1fbc\u02b0\u02b2\u3005",
        U"\u05d0\u0915\u4e9a\u6d32\u6771\ud55c\u30a2",
        U"\u00e9\u00c9\u00df\u03a3\u03c3\u0416\u0436",
        U"\U0001f600\U0001f389\u200d\u2764",
        U"\U00010d50\U00010d70\U00011db0",
    };
    std::string text;
    const std::size_t n = 1 + random_() % characters_max;
    for (std::size_t i = 0; i < n;) {
      const auto pool = kPools[random_() % kPools.size()];
      for (std::size_t run = 1 + random_() % 5; run > 0 && i < n; --run, ++i) {
        append_utf8(text, pool[random_() % pool.size()]);
      }
    }
    return text;
  }

  // Half of them a few letters, as words have more often than chance would.
  std::string letters(std::size_t n_max) {
    std::string text(1 + random_() % n_max, ' ');
    for (char& c : text) c = static_cast<char>('a' + random_() % (random_() % 2 == 0 ? 26 : 5));
    return text;
  }

  std::string bytes(std::size_t bytes_max) {
    std::string text(random_() % (bytes_max + 1), '\0');
    for (char& c : text) c = static_cast<char>(random_());
    return text;
  }

  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  std::mt19937_64 random_;
};

}  // namespace toccata::tokenizer
