#include "tools/secrets/redactor.h"

#include <algorithm>
#include <utility>

#include "core/base/base64.h"
#include "core/base/percent.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kSeparatorsMax = 8;    // between two characters of base64 or hexadecimal
constexpr std::size_t kEscapeBytesMax = 16;  // of one character
constexpr std::size_t kBackslashesMax = 8;   // before one character
constexpr std::size_t kStreamBytesMax = std::size_t{64} << 10;  // that a stream holds back

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// `n` hexadecimal digits at `at`; -1 when there are no such.
int hex_number(std::string_view text, std::size_t at, std::size_t n) {
  if (at + n > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    const int digit = hex_value(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// One way to read what stands at a place: these bytes, up to there.
struct Reading {
  std::array<char, 4> text = {};
  std::size_t n_bytes = 0;
  std::size_t end = 0;
  std::string_view bytes() const { return {text.data(), n_bytes}; }
};

Reading read_byte(int value, std::size_t end) { return {{static_cast<char>(value)}, 1, end}; }

// As UTF-8.
Reading read_code(std::uint32_t code, std::size_t end) {
  Reading reading{.end = end};
  const auto add = [&](std::uint32_t byte) { reading.text[reading.n_bytes++] = static_cast<char>(byte); };
  const int n_more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::uint32_t kLeading[] = {0, 0xC0, 0xE0, 0xF0};
  add(kLeading[n_more] | code >> (6 * n_more));
  for (int i = n_more - 1; i >= 0; --i) add(0x80 | (code >> (6 * i) & 0x3F));
  return reading;
}

class Readings {
 public:
  Readings(std::string_view text, std::size_t at) : text_(text), at_(at) {
    add(read_byte(text[at], at + 1));
    if (text[at] == '+') add(read_byte(' ', at + 1));
    if (text[at] == '%') percent();
    if (text[at] == '\\') backslash();
    if (text[at] == '&') html();
  }
  const Reading* begin() const { return all_.data(); }
  const Reading* end() const { return all_.data() + n_; }

 private:
  void add(const Reading& reading) {
    if (n_ < all_.size()) all_[n_++] = reading;
  }

  // %41, %2541
  void percent() {
    std::size_t at = at_ + 1;
    while (text_.substr(at).starts_with("25") && at - at_ < kEscapeBytesMax) at += 2;
    if (const int value = hex_number(text_, at, 2); value >= 0) add(read_byte(value, at + 2));
    if (const int value = hex_number(text_, at_ + 1, 2); value >= 0) add(read_byte(value, at_ + 3));
  }

  // As many backslashes as a text has that was quoted again and again.
  void backslash() {
    std::size_t at = at_;
    while (at < text_.size() && text_[at] == '\\' && at - at_ < kBackslashesMax) {
      ++at;
      add(read_byte('\\', at));
    }
    if (at == text_.size()) return;
    const char c = text_[at];
    add(read_byte(c, at + 1));
    constexpr std::string_view kLetters = "ntrbf0", kMeant{"\n\t\r\b\f\0", 6};
    if (const auto i = kLetters.find(c); i != std::string_view::npos) add(read_byte(kMeant[i], at + 1));
    if (c == 'x') {
      if (const int value = hex_number(text_, at + 1, 2); value >= 0) add(read_byte(value, at + 3));
    }
    if (c == 'u') unicode(at + 1);
  }
  void unicode(std::size_t at) {
    const int first = hex_number(text_, at, 4);
    if (first < 0) return;
    at += 4;
    if (first < 0xD800 || first > 0xDBFF) return add(read_code(static_cast<std::uint32_t>(first), at));
    std::size_t next = at;
    while (next < text_.size() && text_[next] == '\\' && next - at < kBackslashesMax) ++next;
    if (next == at || next == text_.size() || text_[next] != 'u') return;
    const int second = hex_number(text_, next + 1, 4);
    if (second < 0xDC00 || second > 0xDFFF) return;
    add(read_code(0x10000U + (static_cast<std::uint32_t>(first - 0xD800) << 10) + static_cast<std::uint32_t>(second - 0xDC00), next + 5));
  }

  void html() {
    const std::size_t end = text_.substr(at_, kEscapeBytesMax).find(';');
    if (end == std::string_view::npos) return;
    const std::string_view inside = text_.substr(at_ + 1, end - 1);
    constexpr std::pair<std::string_view, char> kNamed[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (const auto& [name, c] : kNamed) {
      if (inside == name) add(read_byte(c, at_ + end + 1));
    }
    if (!inside.starts_with('#')) return;
    const bool is_hex = inside.size() > 1 && lower(inside[1]) == 'x';
    std::uint32_t code = 0;
    for (const char c : inside.substr(is_hex ? 2 : 1)) {
      const int digit = hex_value(c);
      if (digit < 0 || (!is_hex && digit > 9) || code > 0x10FFFF) return;
      code = code * (is_hex ? 16 : 10) + static_cast<std::uint32_t>(digit);
    }
    if (code > 0 && code <= 0x10FFFF) add(read_code(code, at_ + end + 1));
  }

  std::string_view text_;
  std::size_t at_;
  std::array<Reading, 16> all_ = {};
  std::size_t n_ = 0;
};

// Whether more text could make another reading of what stands here.
bool is_unfinished_escape(std::string_view text, std::size_t at) {
  const char c = text[at];
  return (c == '%' || c == '\\' || c == '&') && text.size() - at < kEscapeBytesMax;
}

bool is_separator(char c, bool hex) { return c == '\n' || c == '\r' || c == ' ' || c == '\t' || (hex && (c == ':' || c == '-')); }

// The characters of `value` in base64 that do not depend on the `before` bytes in front of it nor on what follows.
std::string inner_base64(const std::string& value, std::size_t before) {
  const std::string text = base64(std::string(before, 'x') + value);
  const std::size_t first = (before * 8 + 5) / 6, last = (before + value.size()) * 8 / 6;
  return text.substr(first, last - first);
}

std::string hex(const std::string& value) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

Redactor::Redactor(const std::vector<Secret>& secrets) {
  for (const Secret& secret : secrets) {
    if (secret.value.size() < kSecretBytesMin || secret.value.size() > kSecretBytesMax) continue;
    const std::size_t name = names_.size();
    names_.push_back(secret.name);
    add(name, Kind::kText, secret.value);
    for (const std::size_t before : {0, 1, 2}) {
      std::string text = inner_base64(secret.value, before);
      add(name, Kind::kBase64, text);
      for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
      add(name, Kind::kBase64, text);
    }
    add(name, Kind::kHex, hex(secret.value));
  }
}

void Redactor::add(std::size_t secret, Kind kind, std::string text) {
  const auto number = static_cast<std::uint32_t>(needles_.size());
  const char first = text[0];
  starting_[static_cast<unsigned char>(first)].push_back(number);
  if (kind == Kind::kHex && first >= 'a' && first <= 'f') starting_[static_cast<unsigned char>(first - 'a' + 'A')].push_back(number);
  needles_.push_back({secret, kind, std::move(text)});
}

// All readings side by side: the places where the text may stand after so many characters of the needle.
Redactor::Match Redactor::match(const Needle& needle, std::string_view text, std::size_t at) const {
  struct State {
    std::size_t in_needle, in_text, n_separators;
    bool operator==(const State&) const = default;
  };
  std::vector<State> states = {{0, at, 0}};
  Match found;
  for (std::size_t n = 0; n < states.size(); ++n) {
    const auto [in_needle, in_text, n_separators] = states[n];
    if (in_needle == needle.text.size()) {
      found.end = std::max(found.end, in_text);
      continue;
    }
    if (in_text == text.size() || is_unfinished_escape(text, in_text)) found.partial = true;
    if (in_text == text.size()) continue;
    const auto go_on = [&](const State& state) {  // states that are equal come close to each other
      const auto since = states.size() > 32 ? states.end() - 32 : states.begin();
      if (std::find(since, states.end(), state) == states.end()) states.push_back(state);
    };
    const std::string_view rest = std::string_view(needle.text).substr(in_needle);
    for (const Reading& reading : Readings(text, in_text)) {
      const char first = reading.text[0];
      if (needle.kind == Kind::kHex ? reading.n_bytes == 1 && lower(first) == rest[0] : rest.starts_with(reading.bytes())) {
        go_on({in_needle + reading.n_bytes, reading.end, 0});
      } else if (needle.kind != Kind::kText && in_needle > 0 && n_separators < kSeparatorsMax && reading.n_bytes == 1 &&
                 is_separator(first, needle.kind == Kind::kHex)) {
        go_on({in_needle, reading.end, n_separators + 1});
      }
    }
  }
  return found;
}

Redactor::Match Redactor::match_any(std::string_view text, std::size_t at, std::size_t& secret) const {
  Match longest;
  for (const Reading& reading : Readings(text, at)) {
    for (const std::uint32_t number : starting_[static_cast<unsigned char>(reading.text[0])]) {
      const Match found = match(needles_[number], text, at);
      longest.partial = longest.partial || found.partial;
      if (found.end <= longest.end) continue;
      longest.end = found.end;
      secret = needles_[number].secret;
    }
  }
  return longest;
}

std::string Redactor::redact(std::string_view text) const {
  if (needles_.empty()) return std::string(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    std::size_t secret = 0;
    const std::size_t end = match_any(text, at, secret).end;
    if (end > at) {
      out += "[secret " + names_[secret] + "]";
      at = end;
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::size_t Redactor::settled_bytes(std::string_view text) const {
  if (needles_.empty()) return text.size();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t secret = 0;
    const Match found = match_any(text, at, secret);
    if (found.partial || is_unfinished_escape(text, at)) return at;
    at = std::max(at + 1, found.end);
  }
  return text.size();
}

std::string RedactingStream::push(std::string_view piece) {
  waiting_ += piece;
  std::size_t settled = redactor_.settled_bytes(waiting_);
  if (waiting_.size() > kStreamBytesMax) settled = waiting_.size();
  const std::string shown = redactor_.redact(std::string_view(waiting_).substr(0, settled));
  waiting_.erase(0, settled);
  return shown;
}

std::string RedactingStream::finish() { return redactor_.redact(std::exchange(waiting_, {})); }

}  // namespace toccata::tools
