#include "tools/registry.h"

#include "core/base/error.h"

namespace toccata::tools {

void Registry::add(std::unique_ptr<Tool> tool) {
  for (const auto& other : tools_) {
    if (other->spec().name_space == tool->spec().name_space) {
      throw Exception(
          ErrorCode::kInvalidArgument, "two tools declare the namespace " + tool->spec().name_space
      );
    }
  }
  tools_.push_back(std::move(tool));
}

Tool* Registry::find(std::string_view recipient) const {
  for (const auto& tool : tools_) {
    const ToolSpec& spec = tool->spec();
    if (spec.functions.empty()) {
      if (recipient == spec.name_space) return tool.get();
      continue;
    }
    for (const FunctionSpec& function : spec.functions) {
      if (recipient == spec.name_space + "." + function.name) return tool.get();
    }
  }
  return nullptr;
}

std::vector<std::string> Registry::recipients() const {
  std::vector<std::string> names;
  for (const auto& tool : tools_) {
    const ToolSpec& spec = tool->spec();
    if (spec.functions.empty()) names.push_back(spec.name_space);
    for (const FunctionSpec& function : spec.functions) {
      names.push_back(spec.name_space + "." + function.name);
    }
  }
  return names;
}

}  // namespace toccata::tools
