// Texts with places for arguments and secrets: "{city}", "${secret:KEY}", "{{" and "}}" for braces.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools::declared {

class TextTemplate {
 public:
  struct Piece {
    enum class Kind { kText, kArgument, kSecret } kind = Kind::kText;
    std::string text;  // or the name
    friend bool operator==(const Piece&, const Piece&) = default;
  };
  // The value of a piece that is no text. nullopt: there is none, and so no text at all.
  using Value = std::function<Result<std::optional<std::string>>(const Piece&)>;

  // kInvalidArgument: what was found, what was expected.
  static Result<TextTemplate> parse(std::string_view text);

  // nullopt where an argument is missing. Errors are those of `value`.
  Result<std::optional<std::string>> render(const Value& value) const;

  // The argument, when the template is nothing else.
  std::optional<std::string> only_argument() const;
  bool begins_with_argument() const { return !pieces_.empty() && pieces_[0].kind == Piece::Kind::kArgument; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  std::vector<std::string> names(Piece::Kind kind) const;
  friend bool operator==(const TextTemplate&, const TextTemplate&) = default;

 private:
  std::vector<Piece> pieces_;
};

}  // namespace toccata::tools::declared
