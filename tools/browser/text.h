// Small rules for text that strangers wrote.
#pragma once

#include <string>
#include <string_view>

namespace toccata::tools {

// Each byte that begins no character becomes U+FFFD. What follows takes and gives valid UTF-8.
std::string valid_utf8(std::string_view bytes);

// 【 】 ◼ become 〖 〗 ◾ and zero-width spaces go: text cannot forge a link marker.
std::string neutral(std::string_view text);

// neutral(), and † becomes ‡: what may stand inside a link marker.
std::string neutral_label(std::string_view text);

// One line: runs of blanks are one space, none at the ends.
std::string collapsed(std::string_view text);

// ASCII letters only.
std::string lower_ascii(std::string_view text);

// Every letter in lower case, one by one.
std::string lower_unicode(std::string_view text);

// For comparing: lower case, and a final sigma is as any sigma.
std::string folded(std::string_view text);

// Blanks of other scripts and widths (no-break, ideographic, line separator ...) become spaces.
std::string plain_spaces(std::string text);

// At most n characters; a longer text ends in "...". Requires n >= 3.
std::string shortened(std::string_view text, std::size_t n_chars);

// Characters, that is code points.
std::size_t count_chars(std::string_view text);

// ASCII white space.
inline bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// A byte inside a character, not its first.
inline bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace toccata::tools
