#include "agent/cli/mcp_setup.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <thread>

#include "agent/cli/mcp_access.h"
#include "agent/cli/version.h"
#include "agent/harmony/name_map.h"
#include "core/digest/digest.h"
#include "core/grammar/schema.h"
#include "tools/mcp/mcp_tool.h"
#include "tools/mcp/server.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;
namespace mcp = tools::mcp;
namespace oauth = tools::oauth;

constexpr std::chrono::seconds kManifestAgeMax = std::chrono::hours(24);
// Not a server's: roles, and tools the models know.
constexpr const char* kReserved[] = {"assistant", "browser", "container", "developer", "functions", "python", "system", "tool", "user"};

// Anything else the file has to name.
void pass_on(const Environment& env, std::vector<std::string>& environment) {
  for (const std::string& variable : basic_variables(env)) {
    const std::string start = variable.substr(0, variable.find('=') + 1);
    const bool named = std::any_of(environment.begin(), environment.end(), [&](const std::string& entry) {
      return entry.starts_with(start);
    });
    if (!named) environment.push_back(variable);
  }
}

fs::path manifest_file(const mcp::ServerConfig& config, const Environment& env, tools::Secrets& secrets) {
  Digest digest(DigestKind::kSha256);
  digest.add(secrets.redact(config.identity()));
  return env.data_home / "mcp" / (harmony::identifier(config.name) + "-" + digest.hex().substr(0, 16) + ".json");
}

std::string free_name(const mcp::ServerConfig& config, std::set<std::string>& taken) {
  std::string name = harmony::identifier(config.name);
  if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) name = "mcp_" + name;
  const std::string first = name;
  for (int n = 2; !taken.insert(name).second; ++n) name = first + "_" + std::to_string(n);
  return name;
}

void find_unenforceable(
    const mcp::Manifest& manifest, const mcp::ServerConfig& config, const std::string& name_space, std::set<std::string>& recipients
) {
  for (const mcp::ToolInfo& tool : manifest.tools) {
    if (!config.offers(tool.name)) continue;
    const grammar::CompiledSchema compiled = grammar::compile_schema_text(tool.parameters);
    const auto* error = std::get_if<grammar::SchemaError>(&compiled);
    if (error == nullptr) continue;
    recipients.insert(name_space + "." + tool.name);
    std::cerr << "toccata: WARNING: the arguments of " << config.name << "'s " << mcp::excerpt(tool.name)
              << " are not constrained: " << mcp::excerpt(error->text(), 300) << '\n';
  }
}

// A run at a terminal asks its user to log in when a server wants it.
oauth::LoginDesk desk_of(const AgentOptions& options, const Environment& env) {
  if (options.json || options.quiet || !env.stdin_is_terminal || !env.stderr_is_terminal) return {};
  return {.show = [](const std::string& url) { std::cerr << login_text(url, "") << std::flush; }};
}

std::vector<std::shared_ptr<mcp::Server>> open_servers(
    const AgentOptions& options, const Environment& env, const std::shared_ptr<tools::Secrets>& secrets, bool may_log_in
) {
  std::vector<std::shared_ptr<mcp::Server>> servers;
  const oauth::LoginDesk desk = may_log_in ? desk_of(options, env) : oauth::LoginDesk();
  for (mcp::ServerConfig& config : configured_servers(options.tools, env, *secrets)) {
    const fs::path kept = manifest_file(config, env, *secrets);
    if (!config.process.program.empty()) pass_on(env, config.process.environment);
    mcp::ClientOptions client{.version = kVersion, .start_timeout = config.start_timeout};
    const McpWay way = way_to(config, options, env);
    auto made = mcp::make_client(config, client, way.proxy, authorizer_of(config, way, env, secrets, desk));
    const auto redact = [secrets](std::string_view said) { return secrets->redact(said); };
    servers.push_back(std::make_shared<mcp::Server>(std::move(config), std::move(made), kept, redact));
  }
  return servers;
}

// Null: an optional server that cannot be asked.
std::vector<std::unique_ptr<mcp::Manifest>> manifests_of(
    const std::vector<std::shared_ptr<mcp::Server>>& servers, bool quiet, tools::Secrets& secrets
) {
  std::vector<std::unique_ptr<mcp::Manifest>> manifests(servers.size());
  std::vector<std::optional<Error>> errors(servers.size());
  std::vector<std::thread> asking;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (auto kept = servers[i]->kept(kManifestAgeMax)) {
      manifests[i] = std::make_unique<mcp::Manifest>(std::move(*kept));
      continue;
    }
    if (!quiet) std::cerr << "toccata: asking the MCP server " << servers[i]->config().name << " what it offers\n";
    asking.emplace_back([&, i] {
      Result<mcp::Manifest> asked = servers[i]->ask({});
      if (asked) manifests[i] = std::make_unique<mcp::Manifest>(std::move(*asked));
      if (!asked) errors[i] = asked.error();
    });
  }
  for (std::thread& thread : asking) thread.join();
  for (std::optional<Error>& error : errors) {
    if (error) error->message = secrets.redact(error->message);  // the server's log may stand in it
  }
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (errors[i] && !servers[i]->config().optional) {
      throw Exception(
          ErrorCode::kUnavailable,
          errors[i]->message + "; mend it, or write \"optional\": true or \"disabled\": true into its entry"
      );
    }
    if (errors[i]) std::cerr << "toccata: WARNING: going on without a tool server: " << errors[i]->message << '\n';
    if (!manifests[i]) continue;
    for (const std::string& why : manifests[i]->left_out) {
      std::cerr << "toccata: WARNING: a tool of " << servers[i]->config().name << " is left out: " << mcp::excerpt(why, 300) << '\n';
    }
  }
  return manifests;
}

}  // namespace

std::vector<std::string> with_whole_paths(std::vector<std::string> tools) {
  for (std::string& tool : tools) {
    if (tool.starts_with(kMcpFileStart)) tool = std::string(kMcpFileStart) + fs::absolute(tool.substr(kMcpFileStart.size())).string();
  }
  return tools;
}

std::set<std::string> add_mcp_tools(
    const AgentOptions& options, const Environment& env, bool constrained, const std::shared_ptr<tools::Secrets>& secrets,
    tools::Registry& registry, std::vector<McpNames>* added, bool may_log_in
) {
  const auto servers = open_servers(options, env, secrets, may_log_in);
  const auto manifests = manifests_of(servers, options.quiet, *secrets);
  std::set<std::string> taken, unenforceable;
  for (const auto& tool : registry.tools()) taken.insert(tool->spec().name_space);
  for (std::size_t i = 0; i < servers.size(); ++i) {
    if (!manifests[i]) continue;
    const auto& config = servers[i]->config();
    const std::string name_space = free_name(config, taken);
    if (constrained) find_unenforceable(*manifests[i], config, name_space, unenforceable);
    for (auto& tool : mcp::make_tools(servers[i], *manifests[i], name_space)) registry.add(std::move(tool));
    if (added != nullptr) added->push_back({config.name, config.url, name_space});
  }
  return unenforceable;
}

}  // namespace toccata::cli
