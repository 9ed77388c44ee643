#include "tools/web/utf8.h"

namespace toccata::tools {
namespace {

// Bytes of the character at `at`; 0 when there is none, -1 when the end cuts it.
int length_at(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const int length = first >= 0xC2 && first <= 0xDF ? 2 : first >= 0xE0 && first <= 0xEF ? 3 : first >= 0xF0 && first <= 0xF4 ? 4 : 0;
  for (int i = 1; i < length; ++i) {
    if (at + static_cast<std::size_t>(i) >= bytes.size()) return -1;
    const unsigned char next = byte(static_cast<std::size_t>(i));
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (i == 1 && first == 0xE0) low = 0xA0;
    if (i == 1 && first == 0xED) high = 0x9F;
    if (i == 1 && first == 0xF0) low = 0x90;
    if (i == 1 && first == 0xF4) high = 0x8F;
    if (next < low || next > high) return 0;
  }
  return length;
}

}  // namespace

Utf8Form utf8_form(std::string_view bytes) {
  Utf8Form form;
  for (std::size_t at = 0; at < bytes.size();) {
    const int length = length_at(bytes, at);
    if (length < 0) break;
    form.n_multibyte += length > 1 ? 1 : 0;
    form.n_bad += length == 0 ? 1 : 0;
    at += length == 0 ? 1 : static_cast<std::size_t>(length);
  }
  return form;
}

std::string mended_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const int length = length_at(bytes, at);
    if (length > 0) {
      out += bytes.substr(at, static_cast<std::size_t>(length));
    } else {
      out += "\xEF\xBF\xBD";
    }
    if (length < 0) break;
    at += length == 0 ? 1 : static_cast<std::size_t>(length);
  }
  return out;
}

char32_t next_char(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int n_more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t character = first & (0x3F >> n_more);
  for (int i = 0; i < n_more && at < text.size(); ++i) character = character << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  return character;
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int n_more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[n_more] | (c >> (6 * n_more)));
  for (int i = n_more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
}

}  // namespace toccata::tools
