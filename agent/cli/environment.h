// What the program may know of the world it was started in: read once in main, passed down as a value.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace toccata::cli {

struct Environment {
  std::filesystem::path home;         // HOME
  std::filesystem::path data_home;    // XDG_DATA_HOME/toccata: runs.db, index.db
  std::filesystem::path config_home;  // XDG_CONFIG_HOME/toccata: config.toml
  std::filesystem::path hub_cache;    // HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub
  std::optional<std::string> hub_endpoint;  // HF_ENDPOINT
  std::optional<std::string> hub_token;     // HF_TOKEN
  std::filesystem::path hub_token_file;     // HF_TOKEN_PATH, HF_HOME/token or ~/.cache/huggingface/token
  bool hub_offline = false;                 // HF_HUB_OFFLINE
  std::optional<std::string> api_key;  // TOCCATA_API_KEY, else OPENAI_API_KEY: for remote models only
  // Proxies for pages and search services: http_proxy, HTTPS_PROXY and NO_PROXY in either case, ALL_PROXY for the two that are missing. Not
  // HTTP_PROXY: a web server's CGI programs get a client's "Proxy" header under that name.
  std::string http_proxy, https_proxy, no_proxy;
  // Other variables, by the names the user's configuration gives: keys of search services. Empty ones count as unset.
  std::function<std::optional<std::string>(const std::string&)> variable = [](const std::string&) { return std::nullopt; };
  bool color = false;                  // stderr is a terminal, NO_COLOR is not set, TERM is not "dumb"
  bool stdin_is_terminal = false;
  bool stdout_is_terminal = false;
  bool stderr_is_terminal = false;

  std::filesystem::path ledger_path() const { return data_home / "runs.db"; }
  std::filesystem::path index_path() const { return data_home / "index.db"; }
  std::filesystem::path pages_path() const { return data_home / "pages.db"; }
};

// What programs need to work at all, as "NAME=value": PATH, HOME, the language; nothing else that may be private.
std::vector<std::string> basic_variables(const Environment& env);

// The only place that calls getenv.
Environment read_environment();

// "NAME=value", all of them: for programs that go on in the user's place.
std::vector<std::string> whole_environment();

}  // namespace toccata::cli
