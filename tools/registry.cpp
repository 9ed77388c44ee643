#include "tools/registry.h"

#include "core/base/error.h"

namespace toccata::tools {

void Registry::add(std::unique_ptr<Tool> tool) {
  const auto taken = [](const std::string& name) {
    return Exception(ErrorCode::kInvalidArgument, "two tools declare " + name);
  };
  const ToolSpec& added = tool->spec();
  for (const auto& other : tools_) {
    const ToolSpec& known = other->spec();
    if (known.name_space != added.name_space) continue;
    // One prompt declares a namespace; a raw tool is the namespace itself.
    if (added.functions.empty() || known.functions.empty() || added.placement != known.placement)
      throw taken("the namespace " + added.name_space);
    for (const FunctionSpec& function : added.functions) {
      const std::string name = added.name_space + "." + function.name;
      if (find(name) != nullptr) throw taken(name);
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
