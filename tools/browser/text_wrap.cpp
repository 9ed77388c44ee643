// Source of the rules: CPython Lib/textwrap.py (3.11), TextWrapper.wordsep_re and _wrap_chunks.
#include "tools/browser/text_wrap.h"

#include <utf8proc.h>

#include <algorithm>

namespace toccata::tools {
namespace {

using Char = utf8proc_int32_t;

std::vector<Char> decode_and_expand(std::string_view text) {
  std::vector<Char> chars;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    Char c = 0;
    utf8proc_ssize_t n = utf8proc_iterate(at, left, &c);
    if (n <= 0) {
      c = 0xFFFD;
      n = 1;
    }
    at += n;
    left -= n;
    if (c != '\t') {
      chars.push_back(c);
      continue;
    }
    do {
      chars.push_back(' ');
    } while (chars.size() % 8 != 0);
  }
  return chars;
}

std::string encode(const Char* begin, const Char* end) {
  std::string out;
  for (; begin != end; ++begin) {
    utf8proc_uint8_t bytes[4];
    const auto n = utf8proc_encode_char(*begin, bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
  }
  return out;
}

bool is_blank(Char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Python's \w.
bool is_word(Char c) {
  if (c == '_') return true;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
  }
}
bool is_letter(Char c) { return is_word(c) && utf8proc_category(c) != UTF8PROC_CATEGORY_ND; }
bool ends_phrase(Char c) {
  return is_word(c) || c == '!' || c == '"' || c == '\'' || c == '&' || c == '.' || c == ',' || c == '?';
}

// Cuts a line into the pieces that stay together.
class Chunker {
 public:
  explicit Chunker(const std::vector<Char>& text) : text_(text) {}

  std::size_t next(std::size_t i) const {
    if (is_blank(text_[i])) {
      while (i < text_.size() && is_blank(text_[i])) ++i;
      return i;
    }
    if (const std::size_t end = dash(i); end != 0 && i > 0 && ends_phrase(text_[i - 1])) return end;
    for (std::size_t j = i + 1;; ++j) {
      if (j == text_.size() || is_blank(text_[j])) return j;
      if (breaks_after_hyphen(j)) return j + 1;
      if (ends_phrase(text_[j - 1]) && dash(j) != 0) return j;
    }
  }

 private:
  // End of a run of two or more hyphens at i that a word follows; 0 if there is none.
  std::size_t dash(std::size_t i) const {
    std::size_t end = i;
    while (end < text_.size() && text_[end] == '-') ++end;
    return end >= i + 2 && end < text_.size() && is_word(text_[end]) ? end : 0;
  }
  bool letter(std::size_t i) const { return i < text_.size() && is_letter(text_[i]); }
  bool breaks_after_hyphen(std::size_t j) const {
    if (text_[j] != '-') return false;
    const bool before = (j >= 2 && letter(j - 1) && letter(j - 2)) ||
                        (j >= 3 && letter(j - 1) && text_[j - 2] == '-' && letter(j - 3));
    if (!before || !letter(j + 1)) return false;
    return letter(j + 2) || (j + 2 < text_.size() && text_[j + 2] == '-' && letter(j + 3));
  }

  const std::vector<Char>& text_;
};

}  // namespace

std::vector<std::string> wrap_line(std::string_view text, std::size_t width) {
  const std::vector<Char> chars = decode_and_expand(text);
  std::vector<std::string> lines;
  const Chunker chunker(chars);
  const Char* data = chars.data();
  std::size_t line = 0;   // where the present line began
  std::size_t at = 0;     // end of what is on it
  while (at < chars.size()) {
    const std::size_t end = chunker.next(at);
    // A chunk longer than a line fills what is left of this one and goes on, cut after a hyphen where that is possible.
    std::size_t begin = at;
    while (end - begin > width) {
      const std::size_t space = width - (begin - line);
      std::size_t cut = begin + space;
      for (std::size_t h = cut; h > begin + 1; --h) {
        const bool more = std::any_of(data + begin, data + h - 1, [](Char c) { return c != '-'; });
        if (data[h - 1] == '-' && more) {
          cut = h;
          break;
        }
      }
      lines.push_back(encode(data + line, data + cut));
      line = begin = cut;
    }
    if (end - line > width) {
      lines.push_back(encode(data + line, data + begin));
      line = begin;
    }
    at = end;
  }
  if (line < chars.size()) lines.push_back(encode(data + line, data + chars.size()));
  return lines;
}

}  // namespace toccata::tools
