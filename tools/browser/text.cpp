#include "tools/browser/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

namespace toccata::tools {
namespace {

using Replacement = std::pair<std::string_view, std::string_view>;

// One pass, whatever the number of hits.
std::string replaced(std::string_view text, const Replacement* begin, const Replacement* end) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const bool ascii = static_cast<unsigned char>(text[i]) < 0x80;
    const auto hit = ascii ? end : std::find_if(begin, end, [&](const Replacement& r) {
      return text.substr(i).starts_with(r.first);
    });
    if (hit == end) {
      out += text[i++];
    } else {
      out += hit->second;
      i += hit->first.size();
    }
  }
  return out;
}

constexpr std::array<Replacement, 5> kReplacements = {
    Replacement{"【", "〖"}, {"】", "〗"}, {"◼", "◾"}, {"\u200B", ""}, {"†", "‡"}};

// What Unicode calls white space, beyond ASCII.
constexpr std::array<Replacement, 19> kSpaces = {
    Replacement{"\u00A0", " "}, {"\u0085", " "}, {"\u1680", " "}, {"\u2000", " "}, {"\u2001", " "}, {"\u2002", " "},
    {"\u2003", " "}, {"\u2004", " "}, {"\u2005", " "}, {"\u2006", " "}, {"\u2007", " "}, {"\u2008", " "}, {"\u2009", " "},
    {"\u200A", " "}, {"\u2028", " "}, {"\u2029", " "}, {"\u202F", " "}, {"\u205F", " "}, {"\u3000", " "}};

}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) {
    if (static_cast<unsigned char>(bytes[i]) < 0x80) {
      out += bytes[i++];
      continue;
    }
    utf8proc_int32_t unused = 0;
    const auto n = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()) + i,
        static_cast<utf8proc_ssize_t>(bytes.size() - i),
        &unused
    );
    if (n > 0) {
      out += bytes.substr(i, static_cast<std::size_t>(n));
    } else {
      out += "\uFFFD";
    }
    i += n > 0 ? static_cast<std::size_t>(n) : 1;
  }
  return out;
}

std::string neutral(std::string_view text) { return replaced(text, kReplacements.begin(), kReplacements.end() - 1); }

std::string neutral_label(std::string_view text) { return replaced(text, kReplacements.begin(), kReplacements.end()); }

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_blank(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string lower_unicode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const auto n = utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    if (n <= 0) {
      out += text[i++];
      continue;
    }
    i += static_cast<std::size_t>(n);
    if (c == 0x130) {  // the one letter whose lower case is two characters
      out += "i\u0307";
      continue;
    }
    c = utf8proc_tolower(c);
    utf8proc_uint8_t encoded[4];
    out.append(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(utf8proc_encode_char(c, encoded)));
  }
  return out;
}

std::string folded(std::string_view text) {
  static constexpr std::array<Replacement, 1> kSigma = {Replacement{"ς", "σ"}};
  return replaced(lower_unicode(text), kSigma.begin(), kSigma.end());
}

std::string plain_spaces(std::string text) {
  const bool may_have = std::any_of(text.begin(), text.end(), [](char c) {
    return c == '\xC2' || c == '\xE1' || c == '\xE2' || c == '\xE3';  // first bytes of those above
  });
  return may_have ? replaced(text, kSpaces.begin(), kSpaces.end()) : std::move(text);
}

std::size_t count_chars(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

std::string shortened(std::string_view text, std::size_t n_chars) {
  std::size_t n = 0;
  std::size_t cut = 0;  // where the dots would stand
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_continuation(text[i])) continue;
    if (n == n_chars - 3) cut = i;
    if (n++ == n_chars) return std::string(text.substr(0, cut)) + "...";
  }
  return std::string(text);
}

}  // namespace toccata::tools
