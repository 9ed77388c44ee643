#include "tools/declared/arguments.h"

#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::tools::declared {

const nlohmann::ordered_json* Arguments::find(const std::string& name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Arguments::text(const std::string& name) const {
  const nlohmann::ordered_json* value = find(name);
  if (value == nullptr) return std::nullopt;
  return value->is_string() ? value->get<std::string>() : json_text(*value);
}

Result<std::optional<std::string>> Arguments::secret(const std::string& name) const {
  Result<std::string> value = secrets_.value(name);
  if (!value) return value.error();
  return std::optional(std::move(*value));
}

Result<std::optional<std::string>> Arguments::fill(const TextTemplate& text) const {
  return text.render([&](const TextTemplate::Piece& piece) -> Result<std::optional<std::string>> {
    if (piece.kind == TextTemplate::Piece::Kind::kArgument) return this->text(piece.text);
    return secret(piece.text);
  });
}

}  // namespace toccata::tools::declared
