// Tool declarations as the models read them: JSON Schema written as TypeScript-like types.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "agent/harmony/message.h"
#include "core/base/error.h"

namespace toccata::harmony {

// A schema as openai-harmony 0.0.8 prints it, its gaps included: anyOf, allOf, $ref and const are `any`.
// Nesting deeper than 64 is printed as `any`.
std::string schema_to_typescript(const nlohmann::ordered_json& schema);

// The same where that says something, and real types where it says `any`: $ref, allOf, anyOf, const, enums of numbers,
// maps, tuples, limits. A type inside itself is named, not expanded; more than 64 KiB of types end in `any`.
std::string schema_to_readable_typescript(const nlohmann::ordered_json& schema);

enum class SchemaStyle {
  kReference,  // byte for byte as openai-harmony 0.0.8 prints it
  kReadable,   // schema_to_readable_typescript
};

// "# Tools" and every namespace, in key order; no newline at the end. kInvalidArgument for parameters that are not JSON.
Result<std::string> tools_section(
    const ToolNamespaces& namespaces, SchemaStyle style = SchemaStyle::kReference
);

// {"name", "description"?, "tools": [{"name", "description", "parameters"?}]} -> ToolNamespace.
Result<ToolNamespace> tool_namespace_from_json(std::string_view json_text);

}  // namespace toccata::harmony
