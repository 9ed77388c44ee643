#include "agent/harmony/header.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "agent/harmony/parser.h"
#include "core/tokenizer/unicode_classes.h"
#include "core/tokenizer/utf8.h"

namespace toccata::harmony {
namespace {

constexpr std::string_view kSpaces = " \t\n\v\f\r";
constexpr std::string_view kChannelMark = "<|channel|>";
constexpr std::string_view kConstrainMark = "<|constrain|>";

bool is_channel(std::string_view word) {
  return word == "analysis" || word == "commentary" || word == "final";
}

// Words a model writes for the type of a body without `<|constrain|>`.
bool is_type(std::string_view word) {
  return word == "json" || word == "code" || word == "text" || word == "python";
}

std::vector<std::string> split_ascii(std::string_view text, std::string_view spaces = kSpaces) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(spaces);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = text.find_first_of(spaces);
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end);
  }
}

// Unicode spaces and invisible characters as UTF-8: NBSP, the en-quad..zero-width-joiner block, word joiner, BOM ...
std::size_t invisible_length(std::string_view text) {
  static constexpr std::array<std::string_view, 24> kInvisible = {
      "\u00A0", "\u00AD", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
      "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200A", "\u200B", "\u200C",
      "\u200D", "\u2028", "\u2029", "\u202F", "\u205F", "\u2060", "\u3000", "\uFEFF"};
  for (const std::string_view c : kInvisible) {
    if (text.starts_with(c)) return c.size();
  }
  return 0;
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

// Words, with Unicode spaces and invisible characters as separators too.
std::vector<std::string> split_words(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = invisible_length(text.substr(i));
    plain += n > 0 ? ' ' : text[i];
    i += n > 0 ? n : 1;
  }
  return split_ascii(plain);
}

std::string joined(const std::vector<std::string>& words, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < words.size(); ++i) out += (out.empty() ? "" : " ") + words[i];
  return out;
}

// Collects what the words of a header say; the last word on each matter wins.
class HeaderReader {
 public:
  HeaderReader(std::optional<Role> role, const std::vector<std::string>& tools)
      : role_given_(role.has_value()), tools_(tools) {
    if (role) header_.role = *role;
  }

  void role_piece(const std::vector<std::string>& words) {
    std::size_t next = 0;
    if (!words.empty() && words[0].rfind("to=", 0) != 0) {
      read_role(words[0], words.size());
      next = 1;
    }
    for (; next < words.size(); ++next) word(words, next);
  }

  void channel_piece(const std::vector<std::string>& words) {
    if (words.empty()) {
      warn("an empty channel name");
      return;
    }
    std::size_t next = 0;
    if (words[0].rfind("to=", 0) != 0) {
      channel(words[0]);
      next = 1;
    }
    for (; next < words.size(); ++next) word(words, next);
  }

  void constrain_piece(const std::vector<std::string>& words) {
    if (words.empty()) return;
    if (is_channel(words[0])) {
      if (!header_.channel) header_.channel = words[0];
      warn("the channel '" + words[0] + "' after <|constrain|>");
    } else {
      header_.content_type = std::string(kConstrainMark) + words[0];
    }
    for (std::size_t next = 1; next < words.size(); ++next) word(words, next);
  }

  Header finish() {
    if (header_.role == Role::kAssistant && header_.recipient &&
        (*header_.recipient == "assistant" || *header_.recipient == "all" || header_.recipient->empty())) {
      warn("the recipient '" + *header_.recipient + "'");
      header_.recipient.reset();
    }
    return std::move(header_);
  }

 private:
  void warn(const std::string& what) { header_.warnings.push_back("ignored: " + what); }

  // The first word of a header that names no channel.
  void read_role(const std::string& word, std::size_t n_words) {
    if (word.rfind("assistant", 0) == 0) {
      header_.role = Role::kAssistant;
      if (word != "assistant") warn("the role '" + word + "'");
      return;
    }
    if (role_given_) return this->word({word}, 0);
    if (const auto role = role_from_string(word); role && *role != Role::kTool) {
      header_.role = *role;
    } else if (is_channel(word)) {
      header_.role = Role::kAssistant;
      header_.channel = word;
      warn("the channel '" + word + "' in the place of the role");
    } else {
      header_.role = Role::kTool;
      header_.name = clean_name(word);
      if (n_words == 1) warn("the unknown role '" + word + "'");
    }
  }

  void channel(const std::string& name) {
    if (header_.channel && is_channel(*header_.channel) && !is_channel(name)) {
      if (resolve_tool(name, tools_)) header_.recipient = name;
      warn("the channel '" + name + "'");
      return;
    }
    if (!is_channel(name) && resolve_tool(name, tools_)) {
      header_.recipient = name;
      warn("the tool '" + name + "' in the place of the channel");
      return;
    }
    if (header_.channel && *header_.channel != name) warn("the channel '" + *header_.channel + "'");
    header_.channel = name;
  }

  void word(const std::vector<std::string>& words, std::size_t& i) {
    const std::string& w = words[i];
    if (w.rfind("to=", 0) == 0) {
      std::string name = clean_name(w.substr(3));
      if (name.empty() && i + 1 < words.size()) name = clean_name(words[++i]);
      if (header_.recipient && *header_.recipient != name) warn("the recipient '" + *header_.recipient + "'");
      header_.recipient = name;
    } else if (is_type(w)) {
      header_.content_type = w;
    } else if (is_channel(w) && !header_.channel) {
      header_.channel = w;
      warn("the channel '" + w + "' without <|channel|>");
    } else {
      warn("the word '" + w + "' in the header");
    }
  }
  void word(const std::vector<std::string>& words, std::size_t&& i) { word(words, i); }

  Header header_;
  bool role_given_;
  const std::vector<std::string>& tools_;
};

// Takes the next word off the front of `text` if `accept` takes it. Leading blanks go with it.
template <class Accept>
bool take_word(std::string_view& text, const Accept& accept) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return false;
  std::size_t end = text.find_first_of(kSpaces, begin);
  if (end == std::string_view::npos) end = text.size();
  if (!accept(text.substr(begin, end - begin))) return false;
  text.remove_prefix(end);
  return true;
}

void take_front(std::string_view& text, Header& header) {
  while (take_word(text, [&](std::string_view word) {
    if (word.rfind("to=", 0) == 0) {
      header.recipient = clean_name(word.substr(3));
      return true;
    }
    if (header.recipient && is_type(word)) {
      header.content_type = word;
      return true;
    }
    return false;
  })) {
  }
}

// `finalXYZ` -> final, XYZ. Any other broken channel is analysis: recovered text is never shown by mistake.
void take_channel(std::string_view& text, Header& header) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
  for (const std::string_view name : {"analysis", "commentary", "final"}) {
    if (text.starts_with(name)) {
      header.channel = name;
      text.remove_prefix(name.size());
      return;
    }
  }
  header.channel = "analysis";
  if (!text.empty()) header.warnings.push_back("a malformed channel, kept as analysis");
}

}  // namespace

std::string clean_name(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size();) {
    const std::size_t n = invisible_length(name.substr(i));
    if (n == 0 && static_cast<unsigned char>(name[i]) > ' ' && name[i] != 0x7F) out += name[i];
    i += std::max<std::size_t>(n, 1);
  }
  return out;
}

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
  // Rust's split_ascii_whitespace: without U+000B.
  std::vector<std::string> words = split_ascii(rest, " \t\n\f\r");
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

Header read_header(
    const std::vector<HeaderPiece>& pieces, std::optional<Role> role, const std::vector<std::string>& tools
) {
  HeaderReader reader(role, tools);
  for (const HeaderPiece& piece : pieces) {
    const auto words = split_words(piece.text);
    switch (piece.kind) {
      case HeaderPiece::Kind::kStart: reader.role_piece(words); break;
      case HeaderPiece::Kind::kChannel: reader.channel_piece(words); break;
      case HeaderPiece::Kind::kConstrain: reader.constrain_piece(words); break;
    }
  }
  return reader.finish();
}

HeaderAndContent split_header(const std::vector<HeaderPiece>& pieces, std::optional<Role> role) {
  HeaderAndContent out;
  Header& header = out.header;
  if (role) header.role = *role;
  header.warnings.push_back("a message without <|message|>");
  for (const HeaderPiece& piece : pieces) {
    std::string_view text = piece.text;
    switch (piece.kind) {
      case HeaderPiece::Kind::kStart:
        take_word(text, [&](std::string_view word) {
          const auto named = role_from_string(word);
          if (!named || (role && *named != *role)) return false;
          header.role = *named;
          return true;
        });
        break;
      case HeaderPiece::Kind::kChannel: take_channel(text, header); break;
      case HeaderPiece::Kind::kConstrain:
        take_word(text, [&](std::string_view word) {
          header.content_type = std::string(kConstrainMark) + std::string(word);
          return true;
        });
        break;
    }
    take_front(text, header);
    // One blank separates header and content; the rest of the text is the model's.
    if (out.content.empty() && text.starts_with(' ')) text.remove_prefix(1);
    out.content += text;
  }
  if (header.role == Role::kAssistant && (header.recipient == "assistant" || header.recipient == "all")) {
    header.recipient.reset();
  }
  return out;
}

}  // namespace toccata::harmony
