// mcp.json, the file that MCP clients share: {"mcpServers": {NAME: {"command", "args", "env", "cwd"} | {"type": "http",
// "url", "headers", "oauth"}}}. ${VAR} and ${VAR:-otherwise} stand for variables in every text of a server.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "tools/mcp/oauth_settings.h"
#include "tools/mcp/process.h"

namespace toccata::tools::mcp {

struct ServerConfig {
  std::string name;
  ProcessOrder process = {};  // its environment: what the file names, nothing else; program "" = a server at `url`
  std::string url = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  // How it is logged in to; none: a program, headers with an Authorization of the user's, or "oauth": false.
  std::optional<OAuthSettings> oauth = {};
  bool optional = false;                       // a run goes on without it
  std::chrono::milliseconds timeout{120'000};  // of one call: "timeout" (ms) or "tool_timeout_sec"
  std::chrono::milliseconds start_timeout{30'000};  // "startup_timeout_sec"
  // Patterns as for file names. allowed: only these, when there are any; disabled: not these; always_allow: called
  // without asking.
  std::vector<std::string> allowed_tools = {}, disabled_tools = {}, always_allow = {};

  bool offers(const std::string& tool) const;
  bool asks_for(const std::string& tool) const;  // the approval of a person, when the tool does more than read
  // All that decides which program or address this is, as one text.
  std::string identity() const;
};

using Variables = std::function<std::optional<std::string>(const std::string&)>;

// The servers that are not disabled, by name. kInvalidArgument naming file, server and key. Keys that only other clients
// know are passed over.
Result<std::vector<ServerConfig>> parse_servers(
    std::string_view json_text, const std::filesystem::path& file, const Variables& variables
);

}  // namespace toccata::tools::mcp
