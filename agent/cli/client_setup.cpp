#include "agent/cli/client_setup.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/base/json.h"

namespace toccata::cli {
namespace {

using Json = nlohmann::ordered_json;

// TOML's basic strings have JSON's escapes.
std::string toml(const std::string& text) { return json_text(Json(text)); }

// Later -c, and so the user's own, win. No model catalog: its shape changes with Codex' versions, and a Codex that misses
// a field in it does not start; without one it warns, and takes its own instructions.
ClientSetup codex(const ServedModel& served) {
  std::string provider = "{name=\"Toccata\", base_url=" + toml(served.base_url) + ", wire_api=\"responses\"";
  if (!served.api_key.empty()) provider += ", env_key=" + toml(kLaunchKeyVariable);
  ClientSetup setup{"codex", "npm install -g @openai/codex", {}, {}, {}, {}};
  const auto set = [&](const std::string& key, const std::string& value) {
    setup.arguments.insert(setup.arguments.end(), {"-c", key + "=" + value});
  };
  set("model_provider", toml("toccata"));
  set("model_providers.toccata", provider + "}");
  set("model", toml(served.model));
  if (served.context > 0) set("model_context_window", std::to_string(served.context));
  return setup;
}

// Names every model that Claude Code would ask for by itself; the attribution header differs in every request and would
// end each shared prefix at its first tokens.
ClientSetup claude(const ServedModel& served) {
  std::string root = served.base_url;
  if (root.ends_with("/v1")) root.resize(root.size() - 3);
  ClientSetup setup{"claude", "npm install -g @anthropic-ai/claude-code", {}, {}, {}, {}};
  setup.variables = {{"ANTHROPIC_BASE_URL", root}, {"ANTHROPIC_AUTH_TOKEN", served.api_key.empty() ? "none" : served.api_key}};
  for (const char* name : {"ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
                           "ANTHROPIC_DEFAULT_HAIKU_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL"}) {
    setup.variables.emplace_back(name, served.model);
  }
  setup.variables.emplace_back("CLAUDE_CODE_ATTRIBUTION_HEADER", "0");
  setup.variables.emplace_back("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
  if (served.context > 0) setup.variables.emplace_back("CLAUDE_CODE_AUTO_COMPACT_WINDOW", std::to_string(served.context));
  setup.removed = {"ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"};
  if (!served.api_key.empty()) setup.hidden.push_back("ANTHROPIC_AUTH_TOKEN");
  return setup;
}

// OPENCODE_CONFIG_CONTENT is merged over the user's files.
ClientSetup opencode(const ServedModel& served) {
  Json model = {{"name", served.model}, {"reasoning", true}, {"tool_call", true}};
  if (served.context > 0) {
    model["limit"] = {{"context", served.context}, {"output", std::min<std::int64_t>(served.context / 4, 32768)}};
  }
  Json options = {{"baseURL", served.base_url}};
  if (!served.api_key.empty()) options["apiKey"] = "{env:" + std::string(kLaunchKeyVariable) + "}";
  const std::string name = "toccata/" + served.model;
  Json provider = {{"npm", "@ai-sdk/openai-compatible"}, {"name", "Toccata"}, {"options", options}, {"models", {{served.model, model}}}};
  const Json config = {
      {"$schema", "https://opencode.ai/config.json"}, {"provider", {{"toccata", provider}}}, {"model", name}, {"small_model", name}};
  return {"opencode", "npm install -g opencode-ai", {}, {{"OPENCODE_CONFIG_CONTENT", json_text(config)}}, {}, {}};
}

}  // namespace

Result<ClientSetup> client_setup(const std::string& client, const ServedModel& served) {
  ClientSetup setup;
  if (client == "codex") {
    setup = codex(served);
  } else if (client == "claude") {
    setup = claude(served);
  } else if (client == "opencode") {
    setup = opencode(served);
  } else {
    return Error{ErrorCode::kInvalidArgument, "'" + client + "' cannot be launched; expected codex, claude or opencode"};
  }
  if (!served.api_key.empty()) {
    setup.variables.emplace_back(kLaunchKeyVariable, served.api_key);
    setup.hidden.emplace_back(kLaunchKeyVariable);
  }
  return setup;
}

std::string shell_quoted(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string shell_command(const ClientSetup& setup, const std::vector<std::string>& more) {
  std::string line;
  const auto add = [&line](const std::string& word) { line += line.empty() ? word : " \\\n  " + word; };
  if (!setup.removed.empty() || !setup.variables.empty()) add("env");
  for (const std::string& name : setup.removed) add("-u " + name);
  for (const auto& [name, value] : setup.variables) {
    const bool hidden = std::ranges::find(setup.hidden, name) != setup.hidden.end();
    add(name + "=" + (hidden ? "\"$" + std::string(kLaunchKeyVariable) + "\"" : shell_quoted(value)));
  }
  add(setup.program);
  for (std::size_t i = 0; i < setup.arguments.size(); i += 2) {
    add(shell_quoted(setup.arguments[i]) + (i + 1 < setup.arguments.size() ? " " + shell_quoted(setup.arguments[i + 1]) : ""));
  }
  for (const std::string& word : more) add(shell_quoted(word));
  return line + "\n";
}

Result<std::string> api_address(const std::string& text) {
  const std::size_t scheme = text.starts_with("http://") ? 7 : text.starts_with("https://") ? 8 : 0;
  if (scheme == 0 || text.size() == scheme || text[scheme] == '/' || text.find_first_of(" \t\n?#") != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, "the server's address is '" + text + "', expected one like http://127.0.0.1:8080/v1"};
  }
  std::string address = text;
  while (address.ends_with('/')) address.pop_back();
  return address.find('/', scheme) == std::string::npos ? address + "/v1" : address;
}

int local_port(const std::string& address) {
  std::string_view rest = address;
  for (const std::string_view start : {"http://127.0.0.1:", "http://localhost:"}) {
    if (!rest.starts_with(start)) continue;
    rest.remove_prefix(start.size());
    int port = 0;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    const bool sound = failure == std::errc() && std::string_view(end, rest.data() + rest.size()) == "/v1";
    return sound && port > 0 && port <= 65535 ? port : 0;
  }
  return 0;
}

}  // namespace toccata::cli
