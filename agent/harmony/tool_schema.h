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

// "# Tools" and every namespace, in key order; no newline at the end. kInvalidArgument for parameters that are not JSON.
Result<std::string> tools_section(const ToolNamespaces& namespaces);

// {"name", "description"?, "tools": [{"name", "description", "parameters"?}]} -> ToolNamespace.
Result<ToolNamespace> tool_namespace_from_json(std::string_view json_text);

}  // namespace toccata::harmony
