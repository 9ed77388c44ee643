// The header as openai-harmony 0.0.8 reads it: src/encoding.rs, parse_header_from_string.
#include <cstdio>

#include "agent/harmony/header.h"
#include "core/tokenizer/unicode_classes.h"
#include "core/tokenizer/utf8.h"

namespace toccata::harmony {
namespace {

constexpr std::string_view kAsciiSpaces = " \t\n\f\r";  // Rust's split_ascii_whitespace: without U+000B
constexpr std::string_view kChannelMark = "<|channel|>";
constexpr std::string_view kConstrainMark = "<|constrain|>";

std::vector<std::string> split_ascii(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kAsciiSpaces);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = text.find_first_of(kAsciiSpaces);
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end);
  }
}

std::string joined(const std::vector<std::string>& words, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < words.size(); ++i) out += (out.empty() ? "" : " ") + words[i];
  return out;
}

// Length of the character at the front of valid UTF-8 if it is Unicode White_Space, else 0.
std::size_t white_space_length(std::string_view text) {
  const auto c = tokenizer::read_utf8(text);
  return tokenizer::unicode_class(c.code_point) & tokenizer::kSpace ? c.length : 0;
}

std::string_view trim_white_space(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = white_space_length(text);
    if (n == 0) break;
    text.remove_prefix(n);
  }
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t n = white_space_length(text.substr(at));
    at += n > 0 ? n : tokenizer::read_utf8(text.substr(at)).length;
    if (n == 0) end = at;
  }
  return text.substr(0, end);
}

// As Rust's {:?} prints a string, for what headers hold: quotes, backslashes, controls and white space are escaped.
std::string rust_quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const auto c = tokenizer::read_utf8(text.substr(at));
    const std::string_view bytes = text.substr(at, c.length);
    at += c.length;
    if (c.code_point == '"' || c.code_point == '\\') out += '\\';
    const bool control = c.code_point < 0x20 || (0x7F <= c.code_point && c.code_point < 0xA0);
    if (c.code_point == 0) {
      out += "\\0";
    } else if (control || (c.code_point != ' ' && white_space_length(bytes) > 0)) {
      char hex[16];
      std::snprintf(hex, sizeof hex, "\\u{%x}", static_cast<unsigned>(c.code_point));
      out += hex;
    } else {
      out += bytes;
    }
  }
  return out + "\"";
}

}  // namespace

Result<Header> read_header_strict(std::string_view text, std::optional<Role> role) {
  const auto fail = [](const std::string& what) { return Error{ErrorCode::kCorrupt, what}; };
  Header header;
  std::string rest(text);
  if (const std::size_t mark = rest.find(kChannelMark); mark != std::string::npos) {
    const std::size_t begin = mark + kChannelMark.size();
    std::size_t end = begin;
    while (end < rest.size() && rest[end] != '<' && white_space_length(std::string_view(rest).substr(end)) == 0) {
      end += tokenizer::read_utf8(std::string_view(rest).substr(end)).length;
    }
    if (end == begin) return fail("channel marker present but no channel value found in header");
    header.channel = rest.substr(begin, end - begin);
    rest.erase(mark, end - mark);
  }
  rest = trim_white_space(rest);
  for (std::size_t at = 0; (at = rest.find(kConstrainMark, at)) != std::string::npos;) {
    rest.insert(at, " ");
    at += 1 + kConstrainMark.size();
  }
  std::vector<std::string> words = split_ascii(rest);
  if (role) {
    header.role = *role;
    if (!words.empty() && words[0] == to_string(*role)) words.erase(words.begin());
  } else {
    if (words.empty()) return fail("message header did not contain a role");
    if (const auto known = role_from_string(words[0])) {
      header.role = *known;
      if (*known == Role::kTool) header.name = words[0];
      words.erase(words.begin());
    } else if (words.size() > 1 || words[0].rfind("to=", 0) == 0) {
      header.role = Role::kTool;
      header.name = words[0];
      words.erase(words.begin());
      // Between the name and the rest the role itself may stand, once.
      if (!words.empty() && words[0] == to_string(Role::kTool)) words.erase(words.begin());
    } else {
      return fail("Unknown role: " + words[0]);
    }
  }
  if (words.empty()) return header;
  const auto recipient = [](const std::string& word) {
    return word.rfind("to=", 0) == 0 ? word.substr(3) : word;
  };
  if (words.back().rfind("to=", 0) == 0 || words.size() == 1) {
    header.recipient = recipient(words.back());
    words.pop_back();
  } else {
    header.content_type = words.back();
    words.pop_back();
    header.recipient = recipient(words.back());
    words.pop_back();
  }
  if (!words.empty()) {
    return fail("unexpected tokens remaining in message header: Some(" + rust_quoted(joined(words, 0)) + ")");
  }
  return header;
}

}  // namespace toccata::harmony
