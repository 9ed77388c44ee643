#include "tools/mcp/config.h"

#include <fnmatch.h>
#include <strings.h>

#include <algorithm>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "tools/mcp/message.h"

namespace toccata::tools::mcp {
namespace {

constexpr int kDepthMax = 32;
constexpr std::size_t kServersMax = 64;

bool fits(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

// Reads the entry of one server; the first thing wrong with it is thrown as an Exception and returned at the top.
class EntryReader {
 public:
  EntryReader(const std::filesystem::path& file, const std::string& name, const Json& entry, const Variables& variables)
      : EntryReader(file.string() + ": mcpServers." + name, entry, variables) {}

  // The object of that key, which may be missing.
  EntryReader inside(const char* key) const {
    static const Json kNothing = Json::object();
    const Json* value = find(key);
    return EntryReader(where_ + "." + key, value == nullptr ? kNothing : *value, variables_);
  }
  bool is_false(const char* key) const {
    const Json* value = find(key);
    return value != nullptr && value->is_boolean() && !value->get<bool>();
  }

  std::string text(const char* key) const {
    const Json* value = find(key);
    return value == nullptr ? std::string() : expanded(key, *value);
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> all;
    const Json* value = find(key);
    if (value == nullptr) return all;
    if (!value->is_array()) fail(key, "is no list of texts");
    for (const Json& one : *value) all.push_back(expanded(key, one));
    return all;
  }
  std::vector<std::pair<std::string, std::string>> pairs(const char* key) const {
    std::vector<std::pair<std::string, std::string>> all;
    const Json* value = find(key);
    if (value == nullptr) return all;
    if (!value->is_object()) fail(key, "is no object of texts");
    for (const auto& [name, one] : value->items()) all.emplace_back(name, expanded(std::string(key) + "." + name, one));
    return all;
  }
  bool flag(const char* key, bool otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(key, "is neither true nor false");
    return value->get<bool>();
  }
  int port(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return 0;
    if (!value->is_number_integer() || *value < 1 || *value > 65535) fail(key, "is no port between 1 and 65535");
    return value->get<int>();
  }
  void duration(const char* key, double unit_ms, std::chrono::milliseconds& to) const {
    const Json* value = find(key);
    if (value == nullptr) return;
    const double ms = value->is_number() ? value->get<double>() * unit_ms : 0;
    if (!(ms >= 1 && ms <= 86'400'000.0)) fail(key, "is no time between 1 ms and a day");
    to = std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  }
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw Exception(ErrorCode::kInvalidArgument, where_ + (key.empty() ? " " : "." + key + " ") + what);
  }

 private:
  EntryReader(std::string where, const Json& entry, const Variables& variables) : where_(std::move(where)), entry_(entry), variables_(variables) {
    if (!entry.is_object()) fail("", "is no object");
  }

  const Json* find(const char* key) const {
    const auto value = entry_.find(key);
    return value == entry_.end() || value->is_null() ? nullptr : &*value;
  }

  std::string expanded(const std::string& key, const Json& value) const {
    if (!value.is_string()) fail(key, "is no text: " + excerpt(to_text(value), 60));
    const std::string& text = value.get_ref<const std::string&>();
    if (text.find('\0') != std::string::npos) fail(key, "holds a NUL character");
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t open = text.find("${", at);
      const std::size_t close = open == std::string::npos ? open : text.find('}', open);
      if (close == std::string::npos) return out + text.substr(at);
      out += text.substr(at, open - at);
      const std::string inside = text.substr(open + 2, close - open - 2);
      const std::size_t otherwise = inside.find(":-");
      const std::string name = inside.substr(0, otherwise);
      const auto found = variables_(name.starts_with("env:") ? name.substr(4) : name);
      if (!found && otherwise == std::string::npos) {
        fail(key, "names the variable " + name + ", which is not set: set it, or write ${" + name + ":-otherwise}");
      }
      out += found ? *found : inside.substr(otherwise + 2);
      at = close + 1;
    }
    return out;
  }

  std::string where_;
  const Json& entry_;
  const Variables& variables_;
};

bool is_disabled(const EntryReader& entry) { return entry.flag("disabled", false) || !entry.flag("enabled", true); }

void read_address(const EntryReader& entry, ServerConfig& config) {
  const std::string type = entry.text("type");
  config.process.program = entry.text("command");
  config.url = entry.text("url");
  if (type == "sse") entry.fail("type", "is sse, a transport that MCP gave up in 2025; most such servers offer http too");
  if (!type.empty() && type != "stdio" && type != "http" && type != "streamable-http" && type != "streamableHttp") {
    entry.fail("type", "is '" + excerpt(type, 40) + "'; known: stdio, http");
  }
  if (!config.process.program.empty() && !config.url.empty()) entry.fail("", "has a command and a url: it can be one server only");
  if (config.process.program.empty() && config.url.empty()) entry.fail("", "has neither a command nor a url");
  const bool is_program = !config.process.program.empty();
  if (!type.empty() && is_program != (type == "stdio")) {
    entry.fail("type", "is " + type + (is_program ? ", which has a url, no command" : ", which has a command, no url"));
  }
  if (!is_program && !config.url.starts_with("http://") && !config.url.starts_with("https://")) {
    entry.fail("url", "is no http or https URL: " + excerpt(config.url));
  }
}

// "oauth": an object, or false.
std::optional<OAuthSettings> read_oauth(const EntryReader& entry) {
  if (entry.is_false("oauth")) return std::nullopt;
  const EntryReader oauth = entry.inside("oauth");
  OAuthSettings settings;
  settings.client_id = oauth.text("clientId");
  settings.client_secret = oauth.text("clientSecret");
  settings.issuer = oauth.text("issuer");
  settings.client_metadata_url = oauth.text("clientMetadataUrl");
  settings.token_auth_method = oauth.text("tokenEndpointAuthMethod");
  settings.private_key = oauth.text("privateKey");
  settings.assertion = oauth.text("assertion");
  settings.scopes = oauth.texts("scopes");
  settings.origins = oauth.texts("origins");
  settings.callback_port = oauth.port("callbackPort");
  const EntryReader identity = oauth.inside("identityProvider");
  settings.identity = {identity.text("tokenEndpoint"), identity.text("clientId"), identity.text("clientSecret"), identity.text("idToken")};
  const std::string grant = oauth.text("grant");
  const bool exchanges = !settings.assertion.empty() || !settings.identity.token_endpoint.empty();
  if (grant == "client_credentials") {
    settings.grant = Grant::kClientCredentials;
  } else if (grant == "jwt_bearer" || (grant.empty() && exchanges)) {
    settings.grant = Grant::kJwtBearer;
  } else if (!grant.empty() && grant != "authorization_code") {
    oauth.fail("grant", "is '" + excerpt(grant, 40) + "'; known: authorization_code, client_credentials, jwt_bearer");
  }
  if (settings.grant == Grant::kClientCredentials && settings.client_id.empty()) oauth.fail("clientId", "is missing, and the grant client_credentials needs it");
  if (settings.grant == Grant::kJwtBearer && !exchanges) oauth.fail("assertion", "is missing, and there is no identityProvider: the grant jwt_bearer needs one of them");
  if (!settings.identity.token_endpoint.empty() && settings.identity.id_token.empty()) identity.fail("idToken", "is missing");
  const std::string& method = settings.token_auth_method;
  if (!method.empty() && method != "none" && method != "client_secret_basic" && method != "client_secret_post" && method != "private_key_jwt") {
    oauth.fail("tokenEndpointAuthMethod", "is '" + excerpt(method, 40) + "'; known: none, client_secret_basic, client_secret_post, private_key_jwt");
  }
  if (!settings.client_metadata_url.empty() && !settings.client_metadata_url.starts_with("https://")) {
    oauth.fail("clientMetadataUrl", "is no https URL: " + excerpt(settings.client_metadata_url));
  }
  return settings;
}

bool has_authorization(const ServerConfig& config) {
  return std::any_of(config.headers.begin(), config.headers.end(), [](const auto& header) { return strcasecmp(header.first.c_str(), "authorization") == 0; });
}

ServerConfig read_server(const EntryReader& entry, const std::string& name) {
  ServerConfig config{.name = name};
  read_address(entry, config);
  config.process.arguments = entry.texts("args");
  for (const auto& [key, value] : entry.pairs("env")) {
    if (key.empty() || key.find('=') != std::string::npos) entry.fail("env", "has the name '" + excerpt(key, 40) + "'");
    config.process.environment.push_back(key + "=" + value);
  }
  config.process.folder = entry.text("cwd");
  config.headers = entry.pairs("headers");
  if (!config.url.empty() && !has_authorization(config)) config.oauth = read_oauth(entry);
  config.optional = entry.flag("optional", false);
  entry.duration("timeout", 1, config.timeout);
  entry.duration("tool_timeout_sec", 1000, config.timeout);
  entry.duration("startup_timeout_sec", 1000, config.start_timeout);
  config.allowed_tools = entry.texts("allowedTools");
  config.disabled_tools = entry.texts("disabledTools");
  config.always_allow = entry.texts("alwaysAllow");
  return config;
}

}  // namespace

bool ServerConfig::offers(const std::string& tool) const {
  return (allowed_tools.empty() || fits(allowed_tools, tool)) && !fits(disabled_tools, tool);
}

bool ServerConfig::asks_for(const std::string& tool) const { return !fits(always_allow, tool); }

std::string ServerConfig::identity() const {
  return to_text(Json{{"program", process.program}, {"arguments", process.arguments}, {"environment", process.environment},
                      {"folder", process.folder.string()}, {"url", url}, {"headers", headers}});
}

Result<std::vector<ServerConfig>> parse_servers(
    std::string_view json_text, const std::filesystem::path& file, const Variables& variables
) {
  const auto wrong = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, file.string() + ": " + what}; };
  if (json_depth(json_text) > kDepthMax) return wrong("nested too deeply");
  Json json;
  try {
    json = Json::parse(json_text, nullptr, /*allow_exceptions=*/true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& error) {
    std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 3, column 5: ..."
    return wrong("no JSON: " + excerpt(what.substr(std::min(what.find("] ") + 2, what.size())), 300));
  }
  const auto servers = json.is_object() ? json.find("mcpServers") : json.end();
  if (!json.is_object() || servers == json.end() || !servers->is_object()) {
    return wrong(R"(expected {"mcpServers": {NAME: {"command": ...} or {"url": ...}}})");
  }
  if (servers->size() > kServersMax) return wrong("more than " + std::to_string(kServersMax) + " servers");
  std::vector<ServerConfig> configs;
  try {
    for (const auto& [name, value] : servers->items()) {
      const EntryReader entry(file, name, value, variables);
      if (name.empty()) entry.fail("", "has an empty name");
      if (!is_disabled(entry)) configs.push_back(read_server(entry, name));
    }
  } catch (const Exception& error) {
    return error.error();
  }
  return configs;
}

}  // namespace toccata::tools::mcp
