#include "agent/cli/mcp_access.h"

#include <set>

#include "agent/cli/search_setup.h"
#include "agent/cli/terminal_text.h"
#include "core/base/mapped_file.h"
#include "tools/web/web_url.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;
namespace mcp = tools::mcp;
namespace oauth = tools::oauth;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

mcp::Variables variables_of(const Environment& env, tools::Secrets& secrets) {
  return [&](const std::string& name) -> std::optional<std::string> {
    constexpr std::string_view kSecret = "secret:";
    if (!name.starts_with(kSecret)) return env.variable(name);
    const std::string secret = name.substr(kSecret.size());
    secrets.declare(secret).value_or_throw();
    return secrets.value(secret).value_or_throw();
  };
}

}  // namespace

bool names_mcp(const std::string& tool) { return tool == "mcp" || tool.starts_with(kMcpFileStart); }

std::vector<mcp::ServerConfig> configured_servers(const std::vector<std::string>& tools, const Environment& env, tools::Secrets& secrets) {
  std::vector<mcp::ServerConfig> all;
  std::set<std::string> names;
  for (const std::string& tool : tools) {
    if (!names_mcp(tool)) continue;
    const fs::path file = tool == "mcp" ? env.config_home / "mcp.json" : fs::path(tool.substr(kMcpFileStart.size()));
    const std::string text = read_text_file(file, kFileBytesMax).value_or_throw();
    for (mcp::ServerConfig& config : mcp::parse_servers(text, file, variables_of(env, secrets)).value_or_throw()) {
      if (!names.insert(config.name).second) {
        throw Exception(ErrorCode::kInvalidArgument, file.string() + ": a second server is called " + config.name);
      }
      all.push_back(std::move(config));
    }
  }
  return all;
}

McpWay way_to(const mcp::ServerConfig& config, const AgentOptions& options, const Environment& env) {
  if (config.url.empty()) return {};
  const tools::WebUrl url = tools::parse_web_url(config.url).value_or_throw();
  if (options.offline && !tools::is_this_machine(url)) {
    throw Exception(
        ErrorCode::kUnavailable,
        "--offline: the MCP server " + config.name + " is at " + url.origin() + "; write \"disabled\": true into its entry"
    );
  }
  McpWay way{proxy_rules(options.proxy, options.proxy_names, env)};
  way.proxy = way.rules.proxy_for(url);
  return way;
}

oauth::LoginStore login_store(const mcp::ServerConfig& config, const Environment& env) {
  return {env.data_home / "mcp" / "logins", config.name, config.url};
}

std::shared_ptr<oauth::Authorizer> authorizer_of(
    const mcp::ServerConfig& config, const McpWay& way, const Environment& env, const std::shared_ptr<tools::Secrets>& secrets, oauth::LoginDesk desk
) {
  if (!config.oauth) return nullptr;
  oauth::AuthorizerOrder order{.name = config.name, .server_url = config.url, .settings = *config.oauth, .desk = std::move(desk), .proxy = way.rules};
  order.keep_out = [secrets](const std::string& name, const std::string& value) { secrets->keep_out(name, value); };
  return std::make_shared<oauth::Authorizer>(std::move(order), login_store(config, env));
}

std::string login_text(const std::string& url, const std::string& more) {
  return "toccata: open this address in a browser of this machine and log in:\n  " + for_terminal(url) + "\n" + more;
}

}  // namespace toccata::cli
