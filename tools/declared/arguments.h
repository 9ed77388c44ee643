// What a model wrote, as it stands in the places of a declared call.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/declared/text_template.h"
#include "tools/secrets/secrets.h"

namespace toccata::tools::declared {

// The arguments of one call and the secrets it may use. Borrows both.
class Arguments {
 public:
  Arguments(const nlohmann::ordered_json& object, Secrets& secrets) : object_(object), secrets_(secrets) {}

  // Null when it is missing or null.
  const nlohmann::ordered_json* find(const std::string& name) const;
  // A text as it is, everything else as JSON; nullopt when it is missing.
  std::optional<std::string> text(const std::string& name) const;
  Result<std::optional<std::string>> secret(const std::string& name) const;
  // Every place filled. nullopt: an argument is missing.
  Result<std::optional<std::string>> fill(const TextTemplate& text) const;

 private:
  const nlohmann::ordered_json& object_;
  Secrets& secrets_;
};

}  // namespace toccata::tools::declared
