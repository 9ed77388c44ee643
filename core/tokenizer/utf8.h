// One step of strict UTF-8 decoding, shared by the splitter and the decoders.
#pragma once

#include <cstdint>
#include <string_view>

namespace toccata::tokenizer {

enum class Utf8Status : std::uint8_t {
  kValid,
  kIllFormed,  // no continuation can make these bytes a character
  kTruncated,  // the text ends inside a character that could still become valid
};

struct Utf8Char {
  char32_t code_point;  // meaningful for kValid only
  // Bytes of the character; otherwise of the maximal subpart, what one U+FFFD replaces
  // (Unicode 16.0, section 3.9.6, "U+FFFD Substitution of Maximal Subparts").
  std::uint8_t length;
  Utf8Status status;
};

// The character at the front of `bytes`. Surrogates, overlong forms and values above U+10FFFF are ill-formed.
// Requires !bytes.empty().
Utf8Char read_utf8(std::string_view bytes);

bool is_valid_utf8(std::string_view bytes);

}  // namespace toccata::tokenizer
