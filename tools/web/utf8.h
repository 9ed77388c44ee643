// UTF-8 by its form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace toccata::tools {

// What the bytes are when read as UTF-8 (no surrogates, no overlong forms, up to U+10FFFF).
struct Utf8Form {
  std::size_t n_multibyte = 0;  // whole characters of more than one byte
  std::size_t n_bad = 0;        // bytes that are part of none; a character cut by the end is not counted
};
Utf8Form utf8_form(std::string_view bytes);

// Each of those bytes, and a character cut by the end, becomes U+FFFD.
std::string mended_utf8(std::string_view bytes);

// The character at `at` of valid UTF-8; moves `at` behind it.
char32_t next_char(std::string_view text, std::size_t& at);

void append_utf8(char32_t character, std::string& out);

}  // namespace toccata::tools
