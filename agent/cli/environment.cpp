#include "agent/cli/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>

namespace toccata::cli {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::filesystem::path home_folder() {
  if (const auto home = variable("HOME")) return *home;
  if (const passwd* user = ::getpwuid(::getuid())) return user->pw_dir;
  return "/tmp";
}

// XDG base directory specification: relative values are ignored.
std::filesystem::path xdg(const char* name, const std::filesystem::path& fallback) {
  const auto value = variable(name);
  if (value && value->front() == '/') return *value;
  return fallback;
}

std::filesystem::path hub_home(const std::filesystem::path& home) {
  if (const auto hf_home = variable("HF_HOME")) return *hf_home;
  return xdg("XDG_CACHE_HOME", home / ".cache") / "huggingface";
}

std::filesystem::path path_variable(const char* name, const std::filesystem::path& fallback) {
  const auto value = variable(name);
  return value ? std::filesystem::path(*value) : fallback;
}

// As huggingface_hub reads it.
bool is_true(const char* name) {
  std::string value = variable(name).value_or("");
  for (char& c : value) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

}  // namespace

Environment read_environment() {
  Environment env;
  env.home = home_folder();
  env.data_home = xdg("XDG_DATA_HOME", env.home / ".local" / "share") / "toccata";
  env.config_home = xdg("XDG_CONFIG_HOME", env.home / ".config") / "toccata";
  env.hub_cache = path_variable("HF_HUB_CACHE", hub_home(env.home) / "hub");
  env.hub_token_file = path_variable("HF_TOKEN_PATH", hub_home(env.home) / "token");
  env.hub_token = variable("HF_TOKEN");
  env.hub_endpoint = variable("HF_ENDPOINT");
  env.hub_offline = is_true("HF_HUB_OFFLINE");
  env.api_key = variable("TOCCATA_API_KEY");
  if (!env.api_key) env.api_key = variable("OPENAI_API_KEY");
  const auto either = [](const char* lower, const char* upper) { return variable(lower).value_or(variable(upper).value_or("")); };
  const std::string all_proxy = either("all_proxy", "ALL_PROXY");
  env.http_proxy = variable("http_proxy").value_or(all_proxy);
  env.https_proxy = either("https_proxy", "HTTPS_PROXY");
  if (env.https_proxy.empty()) env.https_proxy = all_proxy;
  env.no_proxy = either("no_proxy", "NO_PROXY");
  env.variable = [](const std::string& name) { return variable(name.c_str()); };
  env.stdin_is_terminal = ::isatty(STDIN_FILENO) == 1;
  env.stdout_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  env.stderr_is_terminal = ::isatty(STDERR_FILENO) == 1;
  env.color = env.stderr_is_terminal && !variable("NO_COLOR") && variable("TERM") != "dumb";
  return env;
}

std::vector<std::string> basic_variables(const Environment& env) {
  std::vector<std::string> all;
  for (const char* name : {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "TZ"}) {
    if (const auto value = env.variable(name)) all.push_back(std::string(name) + "=" + *value);
  }
  return all;
}

std::vector<std::string> whole_environment() {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) all.emplace_back(*entry);
  return all;
}

}  // namespace toccata::cli
