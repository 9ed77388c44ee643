#include "agent/cli/tool_file_setup.h"

#include <filesystem>

#include "agent/cli/search_setup.h"
#include "tools/web/web_url.h"

namespace toccata::cli {

std::vector<std::string> whole_paths(std::vector<std::string> files) {
  for (std::string& file : files) file = std::filesystem::absolute(file).string();
  return files;
}

std::vector<toolfile::ToolFile> read_tool_files(const AgentOptions& options) {
  std::vector<toolfile::ToolFile> files;
  for (const std::string& file : options.tool_files) {
    toolfile::ParsedToolFile parsed = toolfile::load_tool_file(file);
    if (!parsed.problems.empty()) throw Exception(ErrorCode::kInvalidArgument, task::text_of(parsed.problems));
    files.push_back(std::move(parsed.file));
  }
  return files;
}

void declare_tools(
    toolfile::ToolFile file, const AgentOptions& options, const Environment& env, tools::declared::Surroundings around, tools::Registry& registry
) {
  for (const auto& [name, source] : file.secrets) around.secrets->declare(name, source).value_or_throw();
  around.environment = basic_variables(env);
  around.proxy = proxy_rules(options.proxy, options.proxy_names, env);
  for (tools::declared::Definition& tool : file.tools) {
    const auto* http = tool.http();
    if (http != nullptr && options.offline && !tools::is_this_machine(tools::parse_web_url(http->origin).value_or_throw())) {
      throw Exception(ErrorCode::kUnavailable, "--offline: the tool " + tool.function.name + " asks " + http->origin + "; leave its file out");
    }
    registry.add(tools::declared::make_tool(std::move(tool), around));
  }
}

}  // namespace toccata::cli
