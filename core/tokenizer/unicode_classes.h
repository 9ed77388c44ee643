// The Unicode 16.0 classes that splitting text into pieces needs, one byte of bits per code point.
#pragma once

#include <cstdint>

namespace toccata::tokenizer {

inline constexpr std::uint8_t kUpper = 1;   // Lu Lt Lm Lo M: may begin a word
inline constexpr std::uint8_t kLower = 2;   // Ll Lm Lo M: may end a word
inline constexpr std::uint8_t kLetter = 4;  // L; marks (M) are kUpper | kLower without it
inline constexpr std::uint8_t kNumber = 8;  // N
inline constexpr std::uint8_t kSpace = 16;  // White_Space
inline constexpr std::uint8_t kNewline =
    32;  // \r and \n only, with kSpace; set by the scanner, not in the tables
inline constexpr std::uint8_t kNothing =
    64;  // no character: the end of the text or a byte that is not UTF-8

// Two levels: kUnicodeClasses[kUnicodeBlockOf[c / 128] * 128 + c % 128]. In unicode_classes_table.cpp.
extern const std::uint8_t kUnicodeBlockOf[8704];
extern const std::uint8_t kUnicodeClasses[230 * 128];

// Requires code_point <= 0x10FFFF.
inline std::uint8_t unicode_class(char32_t code_point) {
  return kUnicodeClasses[kUnicodeBlockOf[code_point >> 7] << 7 | (code_point & 127)];
}

}  // namespace toccata::tokenizer
