// JSON against a schema, by the grammar that masks what models write: what passes here is what the schema allows, and a
// keyword that cannot be checked is refused when the schema is read.
#pragma once

#include <string>
#include <string_view>

#include "agent/task/task.h"

namespace toccata::task {

// kInvalidArgument naming the keyword and its path.
Result<Schema> make_schema(const Value& source);
// A text in which `pattern` is found (ECMA-262, as in JSON Schema; linear time).
Result<Schema> make_pattern(const std::string& pattern);

// "" when it passes, else where it breaks: "breaks the schema at byte 12, behind '{"n": "x'".
std::string schema_breach(const Schema& schema, const Value& value);

// The JSON a model answered with: the whole text, or the one fenced block in it. kCorrupt when there is none.
Result<Value> json_answer(std::string_view text);

}  // namespace toccata::task
