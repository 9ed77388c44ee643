// JSON Schema (2020-12, and the spellings of draft 4 to 7) -> Grammar.
//
// Enforced: type, enum, const, properties, required, additionalProperties, patternProperties, propertyNames,
// minProperties, maxProperties, dependentRequired (dependencies), items, prefixItems, additionalItems, minItems,
// maxItems, minLength, maxLength, pattern, format, minimum, maximum, exclusive*, multipleOf (whole numbers), $ref within
// the document, $defs, allOf (by intersection), anyOf, oneOf where the alternatives provably exclude each other, and not
// in decidable forms. Where $schema names draft 3 to 7, a $ref makes the words beside it say nothing. Annotations and words that are no keywords say nothing. Anything else is refused by name: a
// grammar never lets through what its schema forbids.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "core/grammar/grammar.h"

namespace toccata::grammar {

// Why a schema was refused.
struct SchemaError {
  std::string keyword;  // "uniqueItems"; "" when it is no keyword's fault
  std::string path;     // JSON pointer to the schema that has it: "/properties/tags"
  std::string message;
  friend bool operator==(const SchemaError&, const SchemaError&) = default;
  // "uniqueItems at /properties/tags: ..."
  std::string text() const;
};

struct SchemaLimits {
  int nodes_max = 20'000;        // nodes, objects and arrays of the grammar
  int alternatives_max = 512;    // of one value
  int states_max = 100'000;      // of one string or number
  // Narrower than the schema: an object that lists properties has no others, unless its schema speaks of others. What a
  // caller of a function means, and what keeps a small model from inventing parameters.
  bool closed_objects = false;
};

using CompiledSchema = std::variant<std::shared_ptr<const Grammar>, SchemaError>;
CompiledSchema compile_schema(const nlohmann::ordered_json& schema, const SchemaLimits& limits = {});
// The same from text; text that is not JSON is an error without keyword.
CompiledSchema compile_schema_text(std::string_view schema_text, const SchemaLimits& limits = {});

}  // namespace toccata::grammar
