#include "tools/oauth/flow.h"

#include <algorithm>
#include <utility>

#include "core/base/base64.h"
#include "core/digest/digest.h"
#include "tools/mcp/message.h"

namespace toccata::tools::oauth {
namespace {

using mcp::excerpt;
using mcp::Json;

constexpr int kRedirectsMax = 3;
constexpr std::size_t kIssuersMax = 8;
constexpr const char* kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr const char* kTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr const char* kIdToken = "urn:ietf:params:oauth:token-type:id_token";
constexpr const char* kIdJag = "urn:ietf:params:oauth:token-type:id-jag";
constexpr const char* kOfflineAccess = "offline_access";

bool has(const std::vector<std::string>& all, std::string_view one) { return std::find(all.begin(), all.end(), one) != all.end(); }

std::string s256(const std::string& verifier) {
  Digest digest(DigestKind::kSha256);
  digest.add(verifier);
  return base64url(digest.bytes());
}

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) {
    if (text.size() < 200) text += (text.empty() ? "" : ", ") + excerpt(one, 80);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

Flow::Flow(FlowOrder order, EndpointRules rules, World world)
    : order_(std::move(order)), rules_(std::move(rules)), world_(std::move(world)) {
  login_.server_url = order_.server_url;
}

Step Flow::fail(Error error) {
  state_ = State::kEnded;
  return error;
}

Step Flow::ask(Ask ask) {
  asked_url_ = ask.url;
  return ask;
}

Step Flow::begin() {
  state_ = State::kResource;
  candidates_ = resource_metadata_urls(rules_.server());
  if (const std::string named = order_.challenge.parameter("resource_metadata"); !named.empty()) candidates_.insert(candidates_.begin(), named);
  return ask_for_metadata();
}

Step Flow::ask_for_metadata() {
  if (candidate_ == candidates_.size()) return no_metadata();
  const std::string& url = candidates_[candidate_++];
  n_redirects_ = 0;
  const Result<WebUrl> allowed = rules_.check(url, state_ == State::kResource ? "resource_metadata" : "the authorization server's metadata");
  if (!allowed) return fail(allowed.error());
  return ask({"GET", allowed->text(), {{"Accept", "application/json"}}});
}

Step Flow::no_metadata() {
  if (state_ == State::kResource) {
    // What the user named; else, as in 2025-03-26, the server's own origin is the authorization server.
    resource_ = {.resource = rules_.server().text(), .authorization_servers = {}, .scopes_supported = std::nullopt};
    login_.resource = resource_.resource;
    const std::string& named = order_.settings.issuer;
    return find_server(named.empty() ? rules_.server().origin() : named);
  }
  const std::string who = has_resource_ || !order_.settings.issuer.empty() ? "the authorization server " + excerpt(server_.issuer, 200) + " has no metadata"
                                        : "the server wants a login and does not say where: it has no protected resource metadata";
  return fail({ErrorCode::kUnsupported, who + " (" + missing_ + " at " + excerpt(asked_url_, 200) + ")"});
}

Step Flow::answer(const Answer& answer) {
  if (state_ == State::kResource || state_ == State::kServer) {
    if (answer.status >= 300 && answer.status < 400) {
      const Result<WebUrl> from = parse_web_url(asked_url_);
      const auto to = from ? same_origin_redirect(*from, answer.location) : std::nullopt;
      if (to && ++n_redirects_ <= kRedirectsMax) return ask({"GET", *to, {{"Accept", "application/json"}}});
      missing_ = "a redirect that is not followed";
      return ask_for_metadata();
    }
    if (answer.status != 200) {
      missing_ = "HTTP status " + std::to_string(answer.status);
      return ask_for_metadata();
    }
    return state_ == State::kResource ? read_resource(answer.body) : read_server(answer.body);
  }
  if (state_ == State::kRegister) return registered(answer);
  if (state_ == State::kIdentity) return exchanged(answer);
  if (state_ != State::kToken) return fail({ErrorCode::kInvalidArgument, "no answer was expected here"});
  state_ = State::kEnded;
  Result<Login> login = with_tokens(login_, answer, world_.now());
  if (!login) return fail({login.error().code, login.error().message + " (" + excerpt(login_.issuer, 200) + ")"});
  return std::move(*login);
}

Step Flow::read_resource(const std::string& body) {
  Result<ResourceMetadata> metadata = parse_resource_metadata(body, rules_.server());
  if (!metadata) return fail(metadata.error());
  has_resource_ = true;
  resource_ = std::move(*metadata);
  login_.resource = resource_.resource;
  auto& servers = resource_.authorization_servers;
  if (servers.size() > kIssuersMax) servers.resize(kIssuersMax);
  const std::string& wanted = order_.settings.issuer;
  if (!wanted.empty() && !has(servers, wanted)) {
    return fail({ErrorCode::kPermissionDenied, "the server names the authorization server " + joined(servers) + ", and oauth.issuer in mcp.json is " +
                                                   wanted + ": what is registered with one is not shown to another"});
  }
  if (!wanted.empty()) return find_server(wanted);
  const bool known = order_.held && has(servers, order_.held->issuer);
  return find_server(known ? order_.held->issuer : servers.front());
}

Step Flow::find_server(const std::string& issuer) {
  const Result<WebUrl> url = rules_.check(issuer, "the authorization server " + excerpt(issuer, 200));
  if (!url) return fail(url.error());
  if (issuer.find_first_of("?#") != std::string::npos) {
    return fail({ErrorCode::kCorrupt, "the authorization server " + excerpt(issuer, 200) + " has a query or fragment in its name"});
  }
  state_ = State::kServer;
  server_.issuer = issuer;
  candidates_ = server_metadata_urls(*url);
  candidate_ = 0;
  return ask_for_metadata();
}

Step Flow::read_server(const std::string& body) {
  Result<ServerMetadata> metadata = parse_server_metadata(body, server_.issuer);
  if (!metadata) return fail(metadata.error());
  server_ = std::move(*metadata);
  if (const Result<WebUrl> url = rules_.check(server_.token_endpoint, "token_endpoint"); !url) return fail(url.error());
  login_.issuer = server_.issuer;
  login_.token_endpoint = server_.token_endpoint;
  login_.asked_for = scopes_to_ask_for();
  if (order_.settings.grant == Grant::kAuthorizationCode) {
    const Result<WebUrl> url = rules_.check(server_.authorization_endpoint, "authorization_endpoint");
    if (!url) return fail(url.error());
    if (!has(server_.code_challenge_methods, "S256")) {
      return fail({ErrorCode::kUnsupported, "the authorization server " + excerpt(server_.issuer, 200) + " does not say that it supports PKCE with S256 " +
                                                "(code_challenge_methods_supported: " + joined(server_.code_challenge_methods) +
                                                "), and without it somebody else could use the login"});
    }
    if (order_.redirect_uri.empty()) return fail({ErrorCode::kPermissionDenied, "it wants a login, and there is nobody to ask"});
  }
  return choose_client();
}

// Specification, scope selection: what is configured; else what the refusal names; else what the server lists; else nothing.
// What was asked for before at this authorization server is asked for again, or the step up would lose it.
std::vector<std::string> Flow::scopes_to_ask_for() const {
  const std::vector<std::string> named = parse_scopes(order_.challenge.parameter("scope"));
  std::vector<std::string> scopes = named;
  if (!order_.settings.scopes.empty()) {
    scopes = with_scopes(order_.settings.scopes, named);
  } else if (named.empty() && resource_.scopes_supported) {
    scopes = *resource_.scopes_supported;
  }
  if (order_.held && order_.held->issuer == server_.issuer && order_.held->resource == resource_.resource) {
    scopes = with_scopes(order_.held->asked_for, scopes);
  }
  const bool may_last = order_.settings.grant == Grant::kAuthorizationCode && has(server_.scopes_supported, kOfflineAccess);
  if (may_last && !scopes.empty()) scopes = with_scopes(std::move(scopes), {kOfflineAccess});
  return scopes;
}

std::string Flow::auth_method(const std::string& secret) const {
  if (!order_.settings.token_auth_method.empty()) return order_.settings.token_auth_method;
  if (!order_.settings.private_key.empty()) return "private_key_jwt";
  if (secret.empty()) return "none";
  for (const char* method : {"client_secret_basic", "client_secret_post"}) {
    if (has(server_.token_auth_methods, method)) return method;
  }
  return has(server_.token_auth_methods, "none") ? "none" : "client_secret_basic";
}

Registration Flow::preregistered() const {
  const Settings& settings = order_.settings;
  Registration client{.issuer = server_.issuer, .client_id = settings.client_id, .client_secret = settings.client_secret,
                      .redirect_uri = order_.redirect_uri};
  client.auth_method = auth_method(settings.client_secret);
  // The user said that this client has a secret: a server that claims to need none does not get by without it.
  if (!settings.client_secret.empty() && client.auth_method == "none" && settings.token_auth_method.empty()) client.auth_method = "client_secret_basic";
  return client;
}

// Specification, client registration: what the user has; metadata at an address; dynamic registration.
Step Flow::choose_client() {
  const Settings& settings = order_.settings;
  if (!settings.client_id.empty()) {
    // Without an issuer in mcp.json it is the first one's: a server that names another one later gets nothing of it.
    const Registration* before = order_.held ? &order_.held->client : nullptr;
    if (settings.issuer.empty() && before != nullptr && before->client_id == settings.client_id && before->issuer != server_.issuer) {
      return fail({ErrorCode::kPermissionDenied, "the server now names the authorization server " + excerpt(server_.issuer, 200) + ", and clientId was used with " +
                                                     excerpt(before->issuer, 200) + ": if both are right, write \"issuer\" into its oauth entry"});
    }
    login_.client = preregistered();
    return start_grant();
  }
  if (settings.grant == Grant::kClientCredentials) {
    return fail({ErrorCode::kInvalidArgument, "its oauth entry has the grant client_credentials and no clientId"});
  }
  if (settings.grant == Grant::kJwtBearer) return start_grant();
  if (server_.client_id_metadata_documents && !settings.client_metadata_url.empty()) {
    login_.client = {.issuer = server_.issuer, .client_id = settings.client_metadata_url, .redirect_uri = order_.redirect_uri};
    login_.client.auth_method = settings.private_key.empty() ? "none" : "private_key_jwt";
    return start_grant();
  }
  if (order_.held) {
    const Registration& before = order_.held->client;
    const bool expired = before.secret_expires_at != 0 && before.secret_expires_at <= world_.now();
    if (before.self_made && before.issuer == server_.issuer && before.redirect_uri == order_.redirect_uri && !expired) {
      login_.client = before;
      return start_grant();
    }
  }
  if (server_.registration_endpoint.empty()) {
    return fail({ErrorCode::kUnsupported, "the authorization server " + excerpt(server_.issuer, 200) +
                                              " registers no clients by itself: register Toccata there, with the redirect address http://127.0.0.1:PORT/callback, "
                                              "and write \"oauth\": {\"clientId\": ..., \"callbackPort\": PORT} into its entry in mcp.json"});
  }
  const Result<WebUrl> url = rules_.check(server_.registration_endpoint, "registration_endpoint");
  if (!url) return fail(url.error());
  state_ = State::kRegister;
  const auto& methods = server_.token_auth_methods;
  std::string method = "none";
  if (!has(methods, "none")) method = has(methods, "client_secret_basic") || !has(methods, "client_secret_post") ? "client_secret_basic" : "client_secret_post";
  Json body{{"client_name", order_.client_name},
            {"redirect_uris", {order_.redirect_uri}},
            {"grant_types", {"authorization_code", "refresh_token"}},
            {"response_types", {"code"}},
            {"token_endpoint_auth_method", method},
            {"application_type", "native"}};
  if (!login_.asked_for.empty()) body["scope"] = join_scopes(login_.asked_for);
  return ask({"POST", server_.registration_endpoint, {{"Accept", "application/json"}, {"Content-Type", "application/json"}}, mcp::to_text(body)});
}

Step Flow::registered(const Answer& answer) {
  const auto wrong = [&](const std::string& what) {
    return fail({ErrorCode::kUnsupported, "the authorization server " + excerpt(server_.issuer, 200) + " does not register this client: " + what});
  };
  if (answer.status != 201 && answer.status != 200) {
    const std::string refusal = refusal_of(answer.body);
    return wrong("HTTP status " + std::to_string(answer.status) + (refusal.empty() ? "" : ": " + refusal));
  }
  const Result<Json> json = mcp::parse_object(answer.body);
  if (!json) return wrong("its answer is no JSON object");
  const auto text = [&](const char* key) {
    const Json value = json->value(key, Json());
    return value.is_string() && value.get_ref<const std::string&>().size() <= 8192 ? value.get<std::string>() : std::string();
  };
  Registration client{.issuer = server_.issuer, .client_id = text("client_id"), .client_secret = text("client_secret"),
                      .redirect_uri = order_.redirect_uri, .self_made = true};
  if (client.client_id.empty()) return wrong("its answer has no client_id");
  client.auth_method = text("token_endpoint_auth_method");
  if (client.auth_method.empty() || client.client_secret.empty()) client.auth_method = auth_method(client.client_secret);
  if (const Json expires = json->value("client_secret_expires_at", Json()); expires.is_number_integer()) client.secret_expires_at = expires.get<std::int64_t>();
  login_.client = std::move(client);
  return start_grant();
}

Step Flow::start_grant() {
  const Settings& settings = order_.settings;
  if (settings.grant == Grant::kAuthorizationCode) return visit();
  const std::string scope = join_scopes(login_.asked_for);
  if (settings.grant == Grant::kClientCredentials) {
    return ask_for_token({{"grant_type", "client_credentials"}, {"scope", scope}, {"resource", login_.resource}});
  }
  const IdentityProvider& identity = settings.identity;
  if (identity.token_endpoint.empty()) {
    return ask_for_token({{"grant_type", kJwtBearer}, {"assertion", settings.assertion}, {"scope", scope}, {"resource", login_.resource}});
  }
  const Result<WebUrl> url = rules_.check(identity.token_endpoint, "oauth.identityProvider.tokenEndpoint");
  if (!url) return fail(url.error());
  state_ = State::kIdentity;
  const Registration client{.client_id = identity.client_id, .client_secret = identity.client_secret,
                            .auth_method = identity.client_secret.empty() ? "none" : "client_secret_basic"};
  Form form{{"grant_type", kTokenExchange}, {"requested_token_type", kIdJag}, {"audience", server_.issuer}, {"resource", login_.resource},
            {"scope", scope}, {"subject_token", identity.id_token}, {"subject_token_type", kIdToken}};
  Result<Ask> exchange = token_request(identity.token_endpoint, identity.token_endpoint, client, {}, std::move(form), world_);
  if (!exchange) return fail(exchange.error());
  return ask(std::move(*exchange));
}

Step Flow::exchanged(const Answer& answer) {
  const std::string refusal = refusal_of(answer.body);
  const Result<Json> json = mcp::parse_object(answer.body);
  const Json token = json ? json->value("access_token", Json()) : Json();
  if (answer.status != 200 || !token.is_string()) {
    return fail({ErrorCode::kPermissionDenied, "the identity provider gives no assertion: HTTP status " + std::to_string(answer.status) +
                                                   (refusal.empty() ? "" : ": " + refusal)});
  }
  return ask_for_token({{"grant_type", kJwtBearer}, {"assertion", token.get<std::string>()}, {"scope", join_scopes(login_.asked_for)},
                        {"resource", login_.resource}});
}

Step Flow::ask_for_token(Form form) {
  state_ = State::kToken;
  Result<Ask> request = token_request(server_.token_endpoint, server_.issuer, login_.client, order_.settings.private_key, std::move(form), world_);
  if (!request) return fail(request.error());
  return ask(std::move(*request));
}

Step Flow::visit() {
  state_ = State::kVisit;
  verifier_ = base64url(world_.random_bytes(32));
  state_value_ = base64url(world_.random_bytes(24));
  const std::string query = form_text({{"response_type", "code"},
                                       {"client_id", login_.client.client_id},
                                       {"redirect_uri", order_.redirect_uri},
                                       {"code_challenge", s256(verifier_)},
                                       {"code_challenge_method", "S256"},
                                       {"state", state_value_},
                                       {"resource", login_.resource},
                                       {"scope", join_scopes(login_.asked_for)}});
  const std::string& endpoint = server_.authorization_endpoint;
  const std::string url = endpoint.substr(0, endpoint.find('#'));
  return Visit{url + (url.find('?') == std::string::npos ? "?" : "&") + query};
}

bool Flow::is_answer(std::string_view query) const {
  const Result<Form> form = parse_query(query);
  return state_ == State::kVisit && form && value_of(*form, "state") == state_value_;
}

Step Flow::arrived(std::string_view query) {
  const auto refused = [&](const std::string& what) { return fail({ErrorCode::kPermissionDenied, "the login is not used: " + what}); };
  if (state_ != State::kVisit) return refused("it was over before");
  const Result<Form> form = parse_query(query);
  if (!form) return refused("of the browser's answer, " + form.error().message);
  if (value_of(*form, "state") != state_value_) return refused("the browser's answer belongs to another login");
  // RFC 9207 section 2.4, before anything else of the answer counts, letter by letter.
  const std::string issuer = value_of(*form, "iss");
  if (issuer.empty() && server_.iss_parameter) return refused("the answer does not say that it is from " + excerpt(server_.issuer, 200) + ", as that one promises");
  if (!issuer.empty() && issuer != server_.issuer) {
    return refused("the answer is from " + excerpt(issuer, 200) + ", expected " + excerpt(server_.issuer, 200));
  }
  if (const std::string error = value_of(*form, "error"); !error.empty()) {
    const std::string description = value_of(*form, "error_description");
    return refused("the authorization server says " + excerpt(error, 100) + (description.empty() ? "" : ": " + excerpt(description, 300)));
  }
  const std::string code = value_of(*form, "code");
  if (code.empty()) return refused("the answer has no code");
  return ask_for_token({{"grant_type", "authorization_code"}, {"code", code}, {"redirect_uri", order_.redirect_uri},
                        {"code_verifier", std::exchange(verifier_, {})}, {"resource", login_.resource}});
}

}  // namespace toccata::tools::oauth
