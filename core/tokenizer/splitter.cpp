#include "core/tokenizer/splitter.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/tokenizer/unicode_classes.h"
#include "core/tokenizer/utf8.h"

namespace toccata::tokenizer {
namespace {

constexpr std::array<std::uint8_t, 128> ascii_classes() {
  std::array<std::uint8_t, 128> classes{};
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] = kUpper | kLetter;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = kLower | kLetter;
  for (int c = '0'; c <= '9'; ++c) classes[c] = kNumber;
  for (int c = '\t'; c <= '\r'; ++c) classes[c] = kSpace;
  classes[' '] = kSpace;
  classes['\r'] = classes['\n'] = kSpace | kNewline;
  return classes;
}
constexpr auto kAsciiClasses = ascii_classes();

// A character's class and length; {kNothing, 0} at the end of the text, {kNothing, 1} for a bad byte.
struct Char {
  std::uint8_t bits = 0;
  std::uint8_t length = 0;
  bool is(std::uint8_t any) const { return (bits & any) != 0; }
  // [^\s\p{L}\p{N}]
  bool is_other() const { return !is(kSpace | kLetter | kNumber | kNothing); }
};

Char wide_char_at(std::string_view text, std::size_t at) {
  const Utf8Char c = read_utf8(text.substr(at));
  if (c.status != Utf8Status::kValid) return {kNothing, 1};
  return {unicode_class(c.code_point), c.length};
}

inline Char char_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {kNothing, 0};
  const auto byte = static_cast<std::uint8_t>(text[at]);
  if (byte < 0x80) return {kAsciiClasses[byte], 1};
  return wide_char_at(text, at);
}

// The end of the run of characters with any of the bits that begins at `at`.
std::size_t run_end(std::string_view text, std::size_t at, std::uint8_t bits) {
  for (Char c = char_at(text, at); c.is(bits); c = char_at(text, at)) at += c.length;
  return at;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)? The long s, U+017F, folds to s.
std::size_t contraction_end(std::string_view text, std::size_t at) {
  if (at >= text.size() || text[at] != '\'') return at;
  // 0 at the end of the text: no contraction holds it. Or-ing 0x20 makes ASCII letters small, and turns
  // nothing else into one.
  const auto letter = [&](std::size_t i) { return i < text.size() ? text[i] | 0x20 : 0; };
  const int first = letter(at + 1);
  const int second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
  if (first == 'l' && second == 'l') return at + 3;
  if (text.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
  return at;
}

// A run of letters and marks at `at`: UPPER*LOWER+ of the first alternative (kFirst), or UPPER+LOWER* of the
// second, where UPPER is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and LOWER is [\p{Ll}\p{Lm}\p{Lo}\p{M}].
//
// UPPER* takes the whole run first. If a lower character follows, LOWER+ takes those. If not, UPPER* gives
// back down to the last character of its run that is in both classes (Lm, Lo, M), and LOWER+ takes just that
// one: in `亚洲AV` the word is `亚洲`. Without such a character the second alternative takes the run.
enum class Alternative { kNone, kFirst, kSecond };
struct Word {
  Alternative alternative;
  std::size_t end;
};
Word word_at(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  std::size_t last_both_end = at;
  Char c = char_at(text, at);
  for (; c.is(kUpper); c = char_at(text, at)) {
    at += c.length;
    if (c.is(kLower)) last_both_end = at;
  }
  if (c.is(kLower)) return {Alternative::kFirst, run_end(text, at + c.length, kLower)};
  if (last_both_end > begin) return {Alternative::kFirst, last_both_end};
  return {at > begin ? Alternative::kSecond : Alternative::kNone, at};
}

// The first two alternatives at the front of the text, whose first character is `first`: 0 when none matches.
std::size_t word_piece(std::string_view text, Char first) {
  const bool may_be_prefix = !first.is(kNewline | kLetter | kNumber | kNothing);
  Word word{Alternative::kNone, 0};
  if (may_be_prefix) word = word_at(text, first.length);
  // A mark that is no prefix of the first alternative is the first letter of its word.
  if (first.is(kUpper | kLower) && word.alternative != Alternative::kFirst) word = word_at(text, 0);
  return word.alternative == Alternative::kNone ? 0 : contraction_end(text, word.end);
}

// The high bit of each byte of `bytes` that is an ASCII character from `first` to `last`.
constexpr std::uint64_t kOnes = 0x0101010101010101, kHighBits = 0x80 * kOnes;
constexpr std::uint64_t in_range(std::uint64_t bytes, char first, char last) {
  const std::uint64_t low = bytes & ~kHighBits;
  return (low + kOnes * (0x80 - first)) & ~(low + kOnes * (0x7F - last)) & ~bytes & kHighBits;
}

// The end of the run of ASCII characters from `first` to `last` that begins at `at`, eight at a time: a loop over
// single characters is mispredicted once a word.
std::size_t ascii_run_end(std::string_view text, std::size_t at, char first, char last) {
  static_assert(std::endian::native == std::endian::little);
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + at, 8);
    const std::uint64_t others = ~in_range(bytes, first, last) & kHighBits;
    if (others != 0) return at + static_cast<std::size_t>(std::countr_zero(others)) / 8;
  }
  while (at < text.size() && first <= text[at] && text[at] <= last) ++at;
  return at;
}

// The first two alternatives, with an ASCII letter at `begin`, which is 0 or 1. 0 when a wider character has a say.
std::size_t ascii_word_piece(std::string_view text, std::size_t begin) {
  std::size_t end = kAsciiClasses[text[begin]] & kUpper ? ascii_run_end(text, begin, 'A', 'Z') : begin;
  end = ascii_run_end(text, end, 'a', 'z');
  if (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80) return 0;
  return contraction_end(text, end);
}

// \p{N}{1,3}
std::size_t number_piece(std::string_view text, Char first) {
  std::size_t end = first.length;
  for (int digits = 1; digits < 3; ++digits) {
    const Char c = char_at(text, end);
    if (!c.is(kNumber)) break;
    end += c.length;
  }
  return end;
}

// ` ?[^\s\p{L}\p{N}]+[\r\n/]*`: 0 when it does not match.
std::size_t other_piece(std::string_view text, Char first) {
  std::size_t end = text[0] == ' ' ? 1 : 0;
  Char c = end == 0 ? first : char_at(text, end);
  if (!c.is_other()) return 0;
  for (; c.is_other(); c = char_at(text, end)) end += c.length;
  while (end < text.size() && (text[end] == '\r' || text[end] == '\n' || text[end] == '/')) ++end;
  return end;
}

// \s*[\r\n]+ | \s+(?!\S) | \s+ at the front of the text, which begins with white space.
std::size_t space_piece(std::string_view text, Char first) {
  std::size_t end = 0;
  std::size_t last_begin = 0;
  std::size_t newline_end = 0;
  Char c = first;
  for (; c.is(kSpace); c = char_at(text, end)) {
    last_begin = end;
    end += c.length;
    if (c.is(kNewline)) newline_end = end;
  }
  if (newline_end > 0) return newline_end;
  if (c.is(kNothing) || last_begin == 0) return end;
  return last_begin;
}

bool is_ascii_letter(char c) { return ('A' <= c && c <= 'Z') || ('a' <= c && c <= 'z'); }
bool is_ascii_digit(char c) { return '0' <= c && c <= '9'; }

constexpr std::string_view kO200kPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kNanoPattern = R"([A-Za-z]+|[0-9]{1,2}| |\n|[^A-Za-z0-9\s]+|\s)";

}  // namespace

std::size_t o200k_piece(std::string_view text) {
  const Char first = char_at(text, 0);
  if (first.is(kNothing)) return first.length;
  const bool may_be_prefix = !first.is(kLetter | kNumber | kNewline);
  const Char second = may_be_prefix ? char_at(text, first.length) : Char{};
  // Nearly every word of English and of code.
  if (first.length == 1 && (may_be_prefix ? second.length == 1 && second.is(kLetter) : first.is(kLetter))) {
    if (const std::size_t end = ascii_word_piece(text, may_be_prefix ? 1 : 0)) return end;
  }
  if (first.is(kUpper | kLower) || second.is(kUpper | kLower)) {
    if (const std::size_t end = word_piece(text, first)) return end;
  }
  if (first.is(kNumber)) return number_piece(text, first);
  if (const std::size_t end = other_piece(text, first)) return end;
  return space_piece(text, first);
}

std::size_t nano_piece(std::string_view text) {
  std::size_t end = 1;
  if (is_ascii_letter(text[0])) {
    while (end < text.size() && is_ascii_letter(text[end])) ++end;
    return end;
  }
  if (is_ascii_digit(text[0]))
    return end + (end < text.size() && is_ascii_digit(text[end]) ? 1 : 0);
  const Char first = char_at(text, 0);
  end = first.length;
  if (first.is(kSpace | kNothing)) return end;
  const auto is_symbol = [&](Char c) {
    return !c.is(kSpace | kNothing) && !is_ascii_letter(text[end]) && !is_ascii_digit(text[end]);
  };
  for (Char c = char_at(text, end); is_symbol(c); c = char_at(text, end)) end += c.length;
  return end;
}

std::optional<Splitter> splitter_for(std::string_view pattern) {
  if (pattern == kO200kPattern) return o200k_piece;
  if (pattern == kNanoPattern) return nano_piece;
  return std::nullopt;
}

}  // namespace toccata::tokenizer
