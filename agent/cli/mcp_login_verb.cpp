#include "agent/cli/mcp_login_verb.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/cli/mcp_access.h"
#include "agent/cli/signals.h"
#include "agent/cli/terminal_text.h"
#include "agent/cli/version.h"
#include "core/base/json.h"
#include "tools/mcp/server.h"

namespace toccata::cli {
namespace {

namespace mcp = tools::mcp;
namespace oauth = tools::oauth;
using Json = nlohmann::ordered_json;

std::shared_ptr<tools::Secrets> secrets_of(const Environment& env) {
  return std::make_shared<tools::Secrets>(env.variable, env.config_home / "secrets", env.home);
}

std::vector<mcp::ServerConfig> servers_of(const McpLoginOptions& options, const Environment& env, tools::Secrets& secrets) {
  std::vector<std::string> names;
  for (const std::string& file : options.files) names.push_back(std::string(kMcpFileStart) + file);
  if (names.empty()) names.push_back("mcp");
  return configured_servers(names, env, secrets);
}

mcp::ServerConfig server_of(const McpLoginOptions& options, const Environment& env, tools::Secrets& secrets) {
  std::string known;
  for (mcp::ServerConfig& config : servers_of(options, env, secrets)) {
    if (config.name == options.name) return std::move(config);
    known += (known.empty() ? "" : ", ") + config.name;
  }
  throw Exception(
      ErrorCode::kNotFound, "there is no MCP server called " + options.name + "; known: " + (known.empty() ? "none" : known) +
                                (options.files.empty() ? " (another file: --mcp FILE)" : "")
  );
}

// The address is an argument and never a shell's text. Whether a browser opens is not waited for.
void open_browser(const std::string& url) {
  std::string program = "xdg-open", address = url;
  char* arguments[] = {program.data(), address.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  pid_t pid = 0;
  std::vector<std::string> texts = whole_environment();
  std::vector<char*> environment;
  for (std::string& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  if (posix_spawnp(&pid, program.c_str(), &actions, nullptr, arguments, environment.data()) != 0) {
    std::cerr << "toccata: xdg-open is not there: open the address yourself\n";
  }
  posix_spawn_file_actions_destroy(&actions);
}

bool may_open(const McpLoginOptions& options, const Environment& env) {
  if (options.open) return *options.open;
  const bool has_screen = env.variable("DISPLAY") || env.variable("WAYLAND_DISPLAY");
  return has_screen && env.stdin_is_terminal && env.stderr_is_terminal;
}

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string span(std::int64_t seconds) {
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  return seconds < 172800 ? std::to_string(seconds / 3600) + " h" : std::to_string(seconds / 86400) + " days";
}

// "none" | "logged in" | "runs out" | "expired" | "logged out", and words for it.
std::pair<std::string, std::string> state_of(const mcp::ServerConfig& config, const Environment& env) {
  if (!config.oauth) return {"none", config.url.empty() ? "a program: none" : "none: its entry says so"};
  const std::optional<oauth::Login> login = login_store(config, env).load();
  if (!login || login->access_token.empty()) return {"logged out", "not logged in"};
  const std::string at = " at " + login->issuer;
  if (!login->refresh_token.empty()) return {"logged in", "logged in" + at + ", renewed by itself"};
  if (login->expires_at == 0) return {"logged in", "logged in" + at};
  const std::int64_t left = login->expires_at - now();
  if (left <= 0) return {"expired", "has run out" + at + ": log in again"};
  return {"runs out", "logged in" + at + " for another " + span(left)};
}

}  // namespace

int mcp_login_verb(const McpLoginOptions& options, const Environment& env) {
  SignalStop signals;
  const std::shared_ptr<tools::Secrets> secrets = secrets_of(env);
  const mcp::ServerConfig config = server_of(options, env, *secrets);
  if (config.url.empty()) throw Exception(ErrorCode::kUnsupported, config.name + " is a program: it has no login of Toccata's; what it needs goes into \"env\" of its entry");
  if (!config.oauth) {
    throw Exception(ErrorCode::kUnsupported, config.name + " has no login: its entry has an Authorization among its \"headers\", or \"oauth\": false");
  }
  const McpWay way = way_to(config, options.agent, env);
  const bool opens = may_open(options, env);
  oauth::LoginDesk desk{.time = std::chrono::milliseconds(static_cast<std::int64_t>(options.timeout_s * 1000))};
  desk.show = [&](const std::string& url) {
    std::cerr << login_text(url, "toccata: waiting for the answer for " + span(static_cast<std::int64_t>(options.timeout_s)) + "; Ctrl-C ends it\n") << std::flush;
    if (opens) open_browser(url);
  };
  const auto failed = [&](const Error& error) { return Exception(error.code, secrets->redact("MCP server '" + config.name + "': " + error.message)); };
  Result<oauth::Login> login = authorizer_of(config, way, env, secrets, desk)->log_in(signals.token());
  if (!login) throw failed(login.error());
  // What it is good for: asked without a desk, so that a refusal is one.
  mcp::ClientOptions client{.version = kVersion, .start_timeout = config.start_timeout};
  const auto server = mcp::make_client(config, client, way.proxy, authorizer_of(config, way, env, secrets, {}));
  const Result<std::vector<mcp::ToolInfo>> tools = server->list_tools(signals.token());
  if (!tools) throw Exception(tools.error().code, secrets->redact("logged in, but " + tools.error().message));
  std::cout << "logged in to " << config.name << " at " << for_terminal(login->issuer) << ": " << tools->size() << " tools";
  if (!login->granted.empty()) std::cout << ", scopes " << for_terminal(oauth::join_scopes(login->granted));
  std::cout << "\n";
  return 0;
}

int mcp_logout_verb(const McpLoginOptions& options, const Environment& env) {
  const std::shared_ptr<tools::Secrets> secrets = secrets_of(env);
  const mcp::ServerConfig config = server_of(options, env, *secrets);
  const bool was = !config.url.empty() && login_store(config, env).forget().value_or_throw();
  std::cout << (was ? "logged out of " : "not logged in to ") << config.name << "\n";
  return 0;
}

int mcp_list_verb(const McpLoginOptions& options, const Environment& env) {
  const std::shared_ptr<tools::Secrets> secrets = secrets_of(env);
  Json all = Json::array();
  for (const mcp::ServerConfig& config : servers_of(options, env, *secrets)) {
    const auto [state, words] = state_of(config, env);
    std::string target = config.url.empty() ? config.process.program : config.url;
    target = secrets->redact(target);
    if (options.json) {
      all.push_back({{"name", config.name}, {config.url.empty() ? "command" : "url", target}, {"login", state}});
    } else {
      std::cout << for_terminal(config.name) << "  " << for_terminal(target) << "  " << for_terminal(words) << "\n";
    }
  }
  if (options.json) std::cout << json_text(all) << "\n";
  return 0;
}

}  // namespace toccata::cli
