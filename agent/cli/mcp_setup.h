// The MCP servers a run may use: which files name them, what they offer, and their tools under names a model can write.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/mcp_access.h"
#include "agent/cli/options.h"
#include "tools/registry.h"
#include "tools/secrets/secrets.h"

namespace toccata::cli {

// The names of tools, with files of MCP servers that are found from any folder.
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
// ${secret:NAME} in a file is a value of `secrets`, and so are the tokens of servers that are logged in to. `may_log_in`: at a
// terminal the user is asked to; else such a server cannot be asked, and the error says `toccata mcp login NAME`.
std::set<std::string> add_mcp_tools(
    const AgentOptions& options, const Environment& env, bool constrained, const std::shared_ptr<tools::Secrets>& secrets,
    tools::Registry& registry, std::vector<McpNames>* added = nullptr, bool may_log_in = false
);

}  // namespace toccata::cli
