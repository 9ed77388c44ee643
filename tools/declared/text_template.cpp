#include "tools/declared/text_template.h"

#include <algorithm>

#include "tools/secrets/secrets.h"

namespace toccata::tools::declared {
namespace {

using Kind = TextTemplate::Piece::Kind;

constexpr std::string_view kSecretStart = "${secret:";

Error wrong(const std::string& what) { return {ErrorCode::kInvalidArgument, what}; }

bool is_argument_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

}  // namespace

Result<TextTemplate> TextTemplate::parse(std::string_view text) {
  TextTemplate made;
  const auto add = [&](Kind kind, std::string_view piece) {
    const bool joins = kind == Kind::kText && !made.pieces_.empty() && made.pieces_.back().kind == Kind::kText;
    if (joins) {
      made.pieces_.back().text += piece;
    } else {
      made.pieces_.push_back({kind, std::string(piece)});
    }
  };
  if (text.find('\0') != std::string_view::npos) return wrong("found a NUL character, expected text");
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with(kSecretStart)) {
      const std::size_t end = rest.find('}');
      const std::string_view name = rest.substr(kSecretStart.size(), end == std::string_view::npos ? 0 : end - kSecretStart.size());
      if (!Secrets::is_name(name)) return wrong("found '" + std::string(rest.substr(0, 40)) + "', expected ${secret:NAME}");
      add(Kind::kSecret, name);
      at += end + 1;
    } else if (rest.starts_with("{{") || rest.starts_with("}}")) {
      add(Kind::kText, rest.substr(0, 1));
      at += 2;
    } else if (rest[0] == '{') {
      const std::size_t end = rest.find('}');
      const std::string_view name = rest.substr(1, end == std::string_view::npos ? 0 : end - 1);
      if (!is_argument_name(name)) {
        return wrong("found '" + std::string(rest.substr(0, 40)) + "', expected the name of an argument as in {city}; write {{ for a brace");
      }
      add(Kind::kArgument, name);
      at += end + 1;
    } else if (rest[0] == '}') {
      return wrong("found a '}' that closes nothing, expected }} for a brace");
    } else {
      const std::size_t end = std::min(rest.find_first_of("{}$", 1), rest.size());
      add(Kind::kText, rest.substr(0, end));
      at += end;
    }
  }
  return made;
}

Result<std::optional<std::string>> TextTemplate::render(const Value& value) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.kind == Kind::kText) {
      out += piece.text;
      continue;
    }
    Result<std::optional<std::string>> text = value(piece);
    if (!text || !*text) return text;
    out += **text;
  }
  return std::optional(std::move(out));
}

std::optional<std::string> TextTemplate::only_argument() const {
  if (pieces_.size() != 1 || pieces_[0].kind != Kind::kArgument) return std::nullopt;
  return pieces_[0].text;
}

std::vector<std::string> TextTemplate::names(Piece::Kind kind) const {
  std::vector<std::string> names;
  for (const Piece& piece : pieces_) {
    if (piece.kind == kind) names.push_back(piece.text);
  }
  return names;
}

}  // namespace toccata::tools::declared
