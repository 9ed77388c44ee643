// The MCP servers a run may use: which files name them, what they offer, and their tools under names a model can write.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "tools/registry.h"
#include "tools/secrets/secrets.h"

namespace toccata::cli {

// Whether this is "mcp", the servers of the user's own mcp.json, or "mcp=FILE" among the names of tools. A project's file
// is never read unasked: it would start programs.
bool names_mcp(const std::string& tool);
// The same names, with files that are found from any folder.
std::vector<std::string> with_whole_paths(std::vector<std::string> tools);

// A server as it is configured, and the namespace of its tools.
struct McpNames {
  std::string name, url, name_space;  // url empty: a program
};

// Adds the tools of every server of those files that is not disabled, one namespace a server. What a server offers is as
// kept of the last time, at most a day ago, or it is started and asked, all at once; one that is known is started by its
// first call. Throws Exception naming what is wrong: kInvalidArgument in a file, kUnavailable for a server that cannot be
// asked, unless it is optional: that is said on stderr. With `constrained` returns the recipients whose schema cannot be enforced, so
// that their arguments have to be left free; they are named on stderr. `added`: gets the servers.
// ${secret:NAME} in a file is a value of `secrets`.
std::set<std::string> add_mcp_tools(
    const AgentOptions& options, const Environment& env, bool constrained, tools::Secrets& secrets, tools::Registry& registry,
    std::vector<McpNames>* added = nullptr
);

}  // namespace toccata::cli
