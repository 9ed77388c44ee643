#include "tools/oauth/login.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>

#include "core/base/base64.h"
#include "core/base/percent.h"
#include "core/digest/signature.h"
#include "tools/mcp/message.h"
#include "tools/oauth/challenge.h"

namespace toccata::tools::oauth {
namespace {

using mcp::excerpt;
using mcp::Json;

constexpr int kFormat = 1;
constexpr std::size_t kTokenBytesMax = std::size_t{16} << 10, kTokenBytesMin = 6;  // what a redactor can find
constexpr std::int64_t kLifetimeMax = std::int64_t{10} * 366 * 86400;
constexpr std::int64_t kAssertionSeconds = 300;

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// It goes into a header as it is.
bool is_token(const std::string& text) {
  return text.size() >= kTokenBytesMin && text.size() <= kTokenBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// RFC 7523 section 2.2.
Result<std::string> client_assertion(const std::string& client_id, const std::string& audience, const std::string& private_key, const World& world) {
  const Result<SigningKey> key = SigningKey::from_pem(private_key);
  if (!key) return key.error();
  const std::int64_t now = world.now();
  const Json header{{"alg", key->algorithm()}, {"typ", "JWT"}};
  const Json claims{{"iss", client_id}, {"sub", client_id}, {"aud", audience}, {"iat", now}, {"exp", now + kAssertionSeconds},
                    {"jti", base64url(world.random_bytes(16))}};
  const std::string text = base64url(mcp::to_text(header)) + "." + base64url(mcp::to_text(claims));
  return text + "." + base64url(key->sign(text));
}

}  // namespace

World World::real() {
  return {
      [] { return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count(); },
      [](std::size_t n) {
        std::string bytes(n, '\0');
        TOCCATA_CHECK(n <= 256 && getrandom(bytes.data(), n, 0) == static_cast<ssize_t>(n));  // never in parts, below 257 bytes
        return bytes;
      }};
}

std::string to_json_text(const Login& login) {
  const Registration& client = login.client;
  const Json json{
      {"format", kFormat},
      {"server_url", login.server_url},
      {"resource", login.resource},
      {"issuer", login.issuer},
      {"token_endpoint", login.token_endpoint},
      {"client",
       {{"issuer", client.issuer},
        {"client_id", client.client_id},
        {"client_secret", client.client_secret},
        {"auth_method", client.auth_method},
        {"redirect_uri", client.redirect_uri},
        {"secret_expires_at", client.secret_expires_at},
        {"self_made", client.self_made}}},
      {"access_token", login.access_token},
      {"refresh_token", login.refresh_token},
      {"expires_at", login.expires_at},
      {"asked_for", login.asked_for},
      {"granted", login.granted}};
  return mcp::to_text(json) + "\n";
}

Result<Login> login_from_json(std::string_view text) {
  const Result<Json> json = mcp::parse_object(text);
  if (!json) return json.error();
  try {
    if (json->at("format") != kFormat) return Error{ErrorCode::kCorrupt, "another format"};
    const Json& client = json->at("client");
    return Login{
        .server_url = json->at("server_url"),
        .resource = json->at("resource"),
        .issuer = json->at("issuer"),
        .token_endpoint = json->at("token_endpoint"),
        .client = {.issuer = client.at("issuer"), .client_id = client.at("client_id"), .client_secret = client.at("client_secret"),
                   .auth_method = client.at("auth_method"), .redirect_uri = client.at("redirect_uri"),
                   .secret_expires_at = client.at("secret_expires_at"), .self_made = client.at("self_made")},
        .access_token = json->at("access_token"),
        .refresh_token = json->at("refresh_token"),
        .expires_at = json->at("expires_at"),
        .asked_for = json->at("asked_for").get<std::vector<std::string>>(),
        .granted = json->at("granted").get<std::vector<std::string>>()};
  } catch (const Json::exception&) {
    return Error{ErrorCode::kCorrupt, "a part is missing or of another type"};  // its own words might show the part
  }
}

std::string form_text(const Form& form) {
  std::string text;
  for (const auto& [name, value] : form) {
    if (!value.empty()) text += (text.empty() ? "" : "&") + percent_encoded(name) + "=" + percent_encoded(value);
  }
  return text;
}

Result<Form> parse_query(std::string_view text) {
  Form form;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    const auto decoded = [](std::string_view part) {
      std::string plain(part);
      std::replace(plain.begin(), plain.end(), '+', ' ');
      return percent_decoded(plain);
    };
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name = decoded(pair.substr(0, equals));
    const bool twice = std::any_of(form.begin(), form.end(), [&](const auto& one) { return one.first == name; });
    if (twice) return Error{ErrorCode::kCorrupt, "it has '" + excerpt(name, 40) + "' twice"};
    form.emplace_back(std::move(name), decoded(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return form;
}

std::string value_of(const Form& form, std::string_view name) {
  const auto found = std::find_if(form.begin(), form.end(), [&](const auto& one) { return one.first == name; });
  return found == form.end() ? std::string() : found->second;
}

Result<Ask> token_request(
    const std::string& endpoint, const std::string& audience, const Registration& client, const std::string& private_key, Form form, const World& world
) {
  Ask ask{"POST", endpoint, {{"Accept", "application/json"}, {"Content-Type", "application/x-www-form-urlencoded"}}};
  if (client.auth_method == "client_secret_basic") {
    // RFC 6749 section 2.3.1: both parts are encoded as in a form first.
    const std::string both = percent_encoded(client.client_id) + ":" + percent_encoded(client.client_secret);
    ask.headers.emplace_back("Authorization", "Basic " + base64(both));
  } else {
    form.emplace_back("client_id", client.client_id);
  }
  if (client.auth_method == "client_secret_post") form.emplace_back("client_secret", client.client_secret);
  if (client.auth_method == "private_key_jwt") {
    Result<std::string> assertion = client_assertion(client.client_id, audience, private_key, world);
    if (!assertion) return assertion.error();
    form.emplace_back("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    form.emplace_back("client_assertion", std::move(*assertion));
  }
  ask.body = form_text(form);
  return ask;
}

std::string refusal_of(std::string_view body) {
  const Result<Json> json = mcp::parse_object(body);
  if (!json) return {};
  const std::string error = text_of(*json, "error"), description = text_of(*json, "error_description");
  if (error.empty()) return {};
  return excerpt(error, 100) + (description.empty() ? "" : ": " + excerpt(description, 300));
}

Result<Login> with_tokens(Login login, const Answer& answer, std::int64_t now) {
  if (answer.status != 200) {
    const std::string refusal = refusal_of(answer.body);
    const bool refused = answer.status >= 400 && answer.status < 500 && answer.status != 429;
    return Error{
        refused ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
        "the token endpoint answers with HTTP status " + std::to_string(answer.status) + (refusal.empty() ? "" : ": " + refusal)};
  }
  const auto corrupt = [](const std::string& what) { return Error{ErrorCode::kCorrupt, "the answer of the token endpoint " + what}; };
  const Result<Json> json = mcp::parse_object(answer.body);
  if (!json) return corrupt("is no JSON object");
  login.access_token = text_of(*json, "access_token");
  if (!is_token(login.access_token)) return corrupt("has no access_token of 6 to 16384 printable characters");
  std::string type = text_of(*json, "token_type");
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (type != "bearer") return Error{ErrorCode::kUnsupported, "the token endpoint gives a token of the type '" + excerpt(type, 40) + "', expected Bearer"};
  if (const std::string token = text_of(*json, "refresh_token"); !token.empty()) {
    if (!is_token(token)) return corrupt("has a refresh_token that is none");
    login.refresh_token = token;
  }
  const Json lifetime = json->value("expires_in", Json());
  login.expires_at = 0;
  if (lifetime.is_number()) {
    const double seconds = std::clamp(lifetime.get<double>(), 0.0, static_cast<double>(kLifetimeMax));
    login.expires_at = now + static_cast<std::int64_t>(seconds);
  }
  const std::vector<std::string> scopes = parse_scopes(text_of(*json, "scope"));
  login.granted = scopes.empty() ? login.asked_for : scopes;
  return login;
}

Result<Ask> refresh_request(const Login& login, const std::string& private_key, const World& world) {
  Form form{{"grant_type", "refresh_token"}, {"refresh_token", login.refresh_token}, {"resource", login.resource}};
  return token_request(login.token_endpoint, login.issuer, login.client, private_key, std::move(form), world);
}

}  // namespace toccata::tools::oauth
