#include "agent/harmony/header.h"

#include <algorithm>
#include <array>

#include "agent/harmony/parser.h"

namespace toccata::harmony {
namespace {

constexpr std::string_view kSpaces = " \t\n\v\f\r";
constexpr std::string_view kAssistant = "assistant";
constexpr std::string_view kConstrainMark = "<|constrain|>";

bool is_channel(std::string_view word) {
  return word == "analysis" || word == "commentary" || word == "final";
}

// Words a model writes for the type of a body without `<|constrain|>`.
bool is_type(std::string_view word) {
  return word == "json" || word == "code" || word == "text" || word == "python";
}

std::vector<std::string> split_ascii(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = text.find_first_of(kSpaces);
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end);
  }
}

// Unicode spaces and invisible characters as UTF-8: NBSP, the en-quad..zero-width-joiner block, word joiner, BOM ...
std::size_t invisible_length(std::string_view text) {
  if (text.empty() || static_cast<unsigned char>(text[0]) < 0x80) return 0;
  static constexpr std::array<std::string_view, 24> kInvisible = {
      "\u00A0", "\u00AD", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
      "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200A", "\u200B", "\u200C",
      "\u200D", "\u2028", "\u2029", "\u202F", "\u205F", "\u2060", "\u3000", "\uFEFF"};
  for (const std::string_view c : kInvisible) {
    if (text.starts_with(c)) return c.size();
  }
  return 0;
}

bool is_zero_width(std::string_view character) {
  return character == "\u00AD" || character == "\u200B" || character == "\u200C" || character == "\u200D" ||
         character == "\u2060" || character == "\uFEFF";
}

// Words, with Unicode spaces as separators too, and without characters nobody sees.
std::vector<std::string> split_words(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = invisible_length(text.substr(i));
    if (n == 0) {
      plain += text[i];
    } else if (!is_zero_width(text.substr(i, n))) {
      plain += ' ';
    }
    i += n > 0 ? n : 1;
  }
  return split_ascii(plain);
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
      type(std::string(kConstrainMark) + words[0]);
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
    if (word.starts_with(kAssistant)) {
      header_.role = Role::kAssistant;
      if (word != kAssistant) warn("the role '" + word + "'");
      if (const auto rest = word.substr(kAssistant.size()); is_channel(rest)) header_.channel = rest;
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
      if (*header_.name != word || n_words == 1) warn("the unknown role '" + word + "'");
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
    if (header_.channel) warn("the channel '" + *header_.channel + "'");
    if (!is_channel(name)) header_.warnings.push_back("the unknown channel '" + name + "': kept, not shown");
    header_.channel = name;
  }

  void type(const std::string& name) {
    if (header_.content_type) warn("the type '" + *header_.content_type + "'");
    header_.content_type = name;
  }

  void word(const std::vector<std::string>& words, std::size_t& i) {
    const std::string& w = words[i];
    if (w.rfind("to=", 0) == 0) {
      std::string name = clean_name(w.substr(3));
      if (name.empty() && i + 1 < words.size()) name = clean_name(words[++i]);
      if (name != w.substr(3)) warn("decoration of the recipient '" + w + "'");
      if (header_.recipient) warn("the recipient '" + *header_.recipient + "'");
      header_.recipient = name;
    } else if (is_type(w)) {
      type(w);
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

// Takes the next word off the front of `text`, as many of its bytes as `accept` says. Leading blanks go with it.
template <class Accept>
void take_word(std::string_view& text, const Accept& accept) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return;
  const std::string_view rest = text.substr(begin);
  const std::size_t n = accept(rest.substr(0, rest.find_first_of(kSpaces)));
  if (n > 0) text = rest.substr(n);
}

// Recipients and types at the front of a header that lost its `<|message|>`; a body may be glued to either.
void take_front(std::string_view& text, Header& header) {
  while (true) {
    const std::size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return;
    std::string_view rest = text.substr(begin);
    const std::string_view word = rest.substr(0, rest.find_first_of(std::string(kSpaces) + "{["));
    if (word.starts_with("to=")) {
      const std::string name = clean_name(word.substr(3));
      if (header.recipient) {
        header.warnings.push_back("ignored: the recipient '" + *header.recipient + "'");
      }
      header.recipient = name;
    } else if (header.recipient && is_type(word)) {
      if (header.content_type) {
        header.warnings.push_back("ignored: the type '" + *header.content_type + "'");
      }
      header.content_type = word;
    } else {
      return;
    }
    text = rest.substr(word.size());
  }
}

// `final {...}` and `finalXYZ` -> final and the rest. Any other broken channel is analysis: recovered text is never
// shown by mistake.
void take_channel(std::string_view& text, Header& header) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
  if (text.empty()) return;
  if (header.channel) header.warnings.push_back("ignored: the channel '" + *header.channel + "'");
  for (const std::string_view name : {"analysis", "commentary", "final"}) {
    if (!text.starts_with(name)) continue;
    const std::string_view rest = text.substr(name.size());
    const bool whole = rest.empty() || kSpaces.find(rest[0]) != std::string_view::npos || rest.starts_with("to=");
    if (!whole && name == "commentary") break;
    header.channel = name;
    text = rest;
    return;
  }
  header.channel = "analysis";
  header.warnings.push_back("a malformed channel, kept as analysis");
}

// `commentary to=f ...` without `<|channel|>`.
void take_channel_word(std::string_view& text, Header& header) {
  const auto words = split_ascii(text);
  if (words.size() < 2 || !is_channel(words[0]) || !words[1].starts_with("to=")) return;
  header.channel = words[0];
  header.warnings.push_back("no <|channel|> before the channel '" + words[0] + "'");
  text.remove_prefix(text.find(words[0]) + words[0].size());
}

// The author of a header that began with its own `<|start|>`.
void take_author(std::string_view& text, Header& header, bool more_pieces) {
  const auto words = split_ascii(text);
  if (words.empty()) return;
  const std::string& word = words[0];
  if (word.starts_with(kAssistant)) {
    if (word != kAssistant) header.warnings.push_back("ignored: the role '" + word + "'");
    if (const auto rest = word.substr(kAssistant.size()); is_channel(rest)) header.channel = rest;
  } else if (is_channel(word)) {
    header.channel = word;
  } else if (const auto role = role_from_string(word)) {
    header.role = *role;
    if (*role == Role::kTool) header.name = word;
  } else if (words.size() > 1 ? words[1].starts_with("to=") : more_pieces) {
    header.role = Role::kTool;
    header.name = clean_name(word);
  } else {
    return;
  }
  text.remove_prefix(text.find(word) + word.size());
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
        if (!role) {
          take_author(text, header, pieces.size() > 1);
        } else {
          take_word(text, [&](std::string_view word) { return word == to_string(*role) ? word.size() : 0; });
          take_channel_word(text, header);
        }
        break;
      case HeaderPiece::Kind::kChannel: take_channel(text, header); break;
      case HeaderPiece::Kind::kConstrain:
        take_word(text, [&](std::string_view word) {
          word = word.substr(0, word.find_first_of("{["));
          if (header.content_type) header.warnings.push_back("ignored: the type '" + *header.content_type + "'");
          header.content_type = std::string(kConstrainMark) + std::string(word);
          return word.size();
        });
        break;
    }
    take_front(text, header);
    // One blank separates header and content; the rest of the text is the model's.
    if (out.content.empty() && text.starts_with(' ')) text.remove_prefix(1);
    out.content += text;
  }
  if (header.role == Role::kAssistant && (header.recipient == "assistant" || header.recipient == "all")) {
    header.warnings.push_back("ignored: the recipient '" + *header.recipient + "'");
    header.recipient.reset();
  }
  return out;
}

bool is_unfinished(const std::vector<HeaderPiece>& pieces, std::optional<Role> role) {
  const auto words = split_ascii(pieces.back().text);
  if (words.empty()) return true;
  const auto begins = [&](std::string_view name) { return name.starts_with(words.back()); };
  if (words.size() > 1) return words.back().starts_with("to=") || begins("to=");
  switch (pieces.back().kind) {
    case HeaderPiece::Kind::kStart: return !role && begins(kAssistant);
    case HeaderPiece::Kind::kChannel: return begins("analysis") || begins("commentary") || begins("final");
    case HeaderPiece::Kind::kConstrain: return true;
  }
  return false;
}

}  // namespace toccata::harmony
