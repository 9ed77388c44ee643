// Tools that files declare: --tool-file.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "agent/toolfile/tool_file.h"
#include "tools/declared/declared_tool.h"
#include "tools/registry.h"

namespace toccata::cli {

// The same files, found from any folder.
std::vector<std::string> whole_paths(std::vector<std::string> files);

// Those of --tool-file. Throws Exception(kInvalidArgument) with every problem, its place in front; what reading a file gives.
std::vector<toolfile::ToolFile> read_tool_files(const AgentOptions& options);

// Adds the file's tools; environment and proxy of `around` are set here. Throws Exception: kInvalidArgument when two files declare a
// function, or a secret with different sources; kUnavailable for one that needs the network with --offline.
void declare_tools(
    toolfile::ToolFile file, const AgentOptions& options, const Environment& env, tools::declared::Surroundings around, tools::Registry& registry
);

}  // namespace toccata::cli
