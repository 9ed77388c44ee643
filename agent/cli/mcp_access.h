// The MCP servers that a person has configured, the way to each, and the logins of those that want one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "tools/mcp/config.h"
#include "tools/oauth/authorizer.h"
#include "tools/secrets/secrets.h"
#include "tools/web/proxy.h"

namespace toccata::cli {

constexpr std::string_view kMcpFileStart = "mcp=";

// Whether this is "mcp", the servers of the user's own mcp.json, or "mcp=FILE" among the names of tools. A project's file
// is never read unasked: it would start programs.
bool names_mcp(const std::string& tool);

// Those of all such names among `tools` that are not disabled. Throws Exception: kInvalidArgument naming file and key, or a name that
// two servers have. ${secret:NAME} in a file is a value of `secrets`.
std::vector<tools::mcp::ServerConfig> configured_servers(
    const std::vector<std::string>& tools, const Environment& env, tools::Secrets& secrets
);

struct McpWay {
  tools::ProxyRules rules = {};
  std::string proxy = {};  // for the server's own address; "" = none
};
// Throws Exception(kUnavailable) for an address elsewhere with --offline.
McpWay way_to(const tools::mcp::ServerConfig& config, const AgentOptions& options, const Environment& env);

// Logins are kept in data_home/mcp/logins; what is secret of them is kept out of all texts by `secrets`.
tools::oauth::LoginStore login_store(const tools::mcp::ServerConfig& config, const Environment& env);
// Null for a program, and for a server that is not logged in to.
std::shared_ptr<tools::oauth::Authorizer> authorizer_of(
    const tools::mcp::ServerConfig& config, const McpWay& way, const Environment& env, const std::shared_ptr<tools::Secrets>& secrets,
    tools::oauth::LoginDesk desk
);

// What a user is told that is to open the address. `more`: a further line, or "".
std::string login_text(const std::string& url, const std::string& more);

}  // namespace toccata::cli
