#include "tools/oauth/flow.h"

#include <gtest/gtest.h>

#include "tools/mcp/message.h"

namespace toccata::tools::oauth {
namespace {

using mcp::Json;

constexpr const char* kServer = "https://s.example/mcp";
constexpr const char* kIssuer = "https://a.example";
constexpr const char* kRedirect = "http://127.0.0.1:4711/callback";

World counting_world() {
  return {[] { return 1000; }, [n = 'a'](std::size_t size) mutable { return std::string(size, n++); }};
}

Json resource_document() { return {{"resource", kServer}, {"authorization_servers", {kIssuer}}}; }
Json server_document() {
  return {{"issuer", kIssuer},
          {"authorization_endpoint", "https://a.example/authorize"},
          {"token_endpoint", "https://a.example/token"},
          {"registration_endpoint", "https://a.example/register"},
          {"token_endpoint_auth_methods_supported", {"none"}},
          {"code_challenge_methods_supported", {"S256"}}};
}
const char* const kTokens = R"({"access_token":"access-token","token_type":"Bearer","expires_in":60})";

// A flow and what it said last.
class Walk {
 public:
  explicit Walk(FlowOrder order = {}) : flow(complete(std::move(order)), EndpointRules::make(kServer, {}).value_or_throw(), counting_world()) {
    step = flow.begin();
  }
  static FlowOrder complete(FlowOrder order) {
    order.server_url = kServer;
    if (order.redirect_uri.empty() && order.settings.grant == Grant::kAuthorizationCode) order.redirect_uri = kRedirect;
    return order;
  }
  Walk& answer(const Json& document, int status = 200) { return answer(mcp::to_text(document), status); }
  Walk& answer(const std::string& body, int status = 200, const std::string& location = {}) {
    step = flow.answer({status, body, location});
    return *this;
  }
  Walk& missing() { return answer(std::string("nothing here"), 404); }
  Walk& to_server() { return answer(resource_document()); }
  Walk& to_register() { return to_server().answer(server_document()); }
  Walk& to_visit() { return to_register().answer(std::string(R"({"client_id":"made"})"), 201); }
  Walk& arrive(const std::string& query) {
    step = flow.arrived(query);
    return *this;
  }

  const Ask& ask() const {
    static const Ask none{"none"};
    const auto* found = std::get_if<Ask>(&step);
    if (const auto* error = std::get_if<Error>(&step)) ADD_FAILURE() << error->message;
    return found != nullptr ? *found : none;
  }
  Error error() const {
    const auto* found = std::get_if<Error>(&step);
    if (found == nullptr) ADD_FAILURE() << "no error";
    return found != nullptr ? *found : Error{};
  }
  Form visited() const {
    const auto* visit = std::get_if<Visit>(&step);
    if (visit == nullptr) return Form();
    return parse_query(std::string_view(visit->url).substr(visit->url.find('?') + 1)).value_or_throw();
  }
  std::string state() const { return value_of(visited(), "state"); }

  Flow flow;
  Step step;
};

Form body_of(const Ask& ask) { return parse_query(ask.body).value_or_throw(); }

TEST(Flow, GoesFromTheRefusalToTheTokens) {
  Walk walk({.challenge = {"bearer", {{"resource_metadata", "https://s.example/meta"}, {"scope", "read"}}}});
  EXPECT_EQ("https://s.example/meta", walk.ask().url);
  EXPECT_EQ("https://a.example/.well-known/oauth-authorization-server", walk.to_server().ask().url);
  walk.answer(server_document());
  EXPECT_EQ("https://a.example/register", walk.ask().url);
  const Json registration = mcp::parse_object(walk.ask().body).value_or_throw();
  EXPECT_EQ("native", registration["application_type"]);
  EXPECT_EQ(Json::array({kRedirect}), registration["redirect_uris"]);
  EXPECT_EQ(Json::array({"authorization_code", "refresh_token"}), registration["grant_types"]);
  walk.answer(std::string(R"({"client_id":"made"})"), 201);
  const Form query = walk.visited();
  EXPECT_EQ("code", value_of(query, "response_type"));
  EXPECT_EQ("made", value_of(query, "client_id"));
  EXPECT_EQ("S256", value_of(query, "code_challenge_method"));
  EXPECT_EQ(43U, value_of(query, "code_challenge").size());
  EXPECT_EQ(kServer, value_of(query, "resource"));
  EXPECT_EQ("read", value_of(query, "scope"));
  walk.arrive("code=c0de&state=" + walk.state());
  const Form body = body_of(walk.ask());
  EXPECT_EQ("https://a.example/token", walk.ask().url);
  EXPECT_EQ("authorization_code", value_of(body, "grant_type"));
  EXPECT_EQ("c0de", value_of(body, "code"));
  EXPECT_EQ(kRedirect, value_of(body, "redirect_uri"));
  EXPECT_EQ(kServer, value_of(body, "resource"));
  EXPECT_EQ(43U, value_of(body, "code_verifier").size());
  EXPECT_NE(value_of(query, "code_challenge"), value_of(body, "code_verifier"));
  walk.answer(std::string(kTokens));
  const auto* login = std::get_if<Login>(&walk.step);
  ASSERT_NE(nullptr, login);
  EXPECT_EQ("access-token", login->access_token);
  EXPECT_EQ(kIssuer, login->issuer);
  EXPECT_EQ(kIssuer, login->client.issuer);
  EXPECT_TRUE(login->client.self_made);
  EXPECT_EQ(1060, login->expires_at);
  EXPECT_EQ(std::vector<std::string>{"read"}, login->asked_for);
}

TEST(Flow, LooksForMetadataUntilItFindsSome) {
  Walk walk;
  EXPECT_EQ("https://s.example/.well-known/oauth-protected-resource/mcp", walk.ask().url);
  EXPECT_EQ("https://s.example/.well-known/oauth-protected-resource", walk.missing().ask().url);
  Json document = resource_document();
  document["resource"] = "https://s.example";
  document["authorization_servers"] = {"https://a.example/t"};
  EXPECT_EQ("https://a.example/.well-known/oauth-authorization-server/t", walk.answer(document).ask().url);
  EXPECT_EQ("https://a.example/.well-known/openid-configuration/t", walk.missing().ask().url);
  EXPECT_EQ("https://a.example/t/.well-known/openid-configuration", walk.missing().ask().url);
  EXPECT_EQ(ErrorCode::kUnsupported, walk.missing().error().code);
}

TEST(Flow, AServerWithoutResourceMetadataIsItsOwnAuthorizationServer) {
  Walk walk;
  EXPECT_EQ("https://s.example/.well-known/oauth-authorization-server", walk.missing().missing().ask().url);
  EXPECT_NE(std::string::npos, walk.missing().missing().error().message.find("does not say where"));
}

TEST(Flow, WhatTheUserNamedIsAskedWhereTheServerSaysNothing) {
  Walk walk({.settings = {.client_id = "mine", .client_secret = "hush-hush", .issuer = kIssuer}});
  EXPECT_EQ("https://a.example/.well-known/oauth-authorization-server", walk.missing().missing().ask().url) << "and not the server's own origin";
}

TEST(Flow, FollowsRedirectsOfMetadataAtTheSameOriginOnly) {
  Walk walk;
  EXPECT_EQ("https://s.example/other", walk.answer(std::string(), 302, "/other").ask().url);
  EXPECT_EQ("https://s.example/.well-known/oauth-protected-resource", walk.answer(std::string(), 302, "https://evil.example/x").ask().url);
  for (int i = 0; i < 3; ++i) EXPECT_EQ("https://s.example/again", walk.answer(std::string(), 307, "/again").ask().url);
  EXPECT_EQ("https://s.example/.well-known/oauth-authorization-server", walk.answer(std::string(), 307, "/again").ask().url) << "a circle";
}

TEST(Flow, HostileMetadataEndsIt) {
  EXPECT_NE(std::string::npos, Walk({.challenge = {"bearer", {{"resource_metadata", "http://169.254.169.254/latest"}}}}).error().message.find("not https"));
  EXPECT_EQ(ErrorCode::kPermissionDenied, Walk({.challenge = {"bearer", {{"resource_metadata", "https://10.0.0.1/"}}}}).error().code);
  const auto resource = [](const char* key, Json value) {
    Json document = resource_document();
    document[key] = std::move(value);
    return Walk().answer(document).error();
  };
  EXPECT_EQ(ErrorCode::kPermissionDenied, resource("resource", "https://evil.example/mcp").code);
  EXPECT_EQ(ErrorCode::kPermissionDenied, resource("authorization_servers", {"https://127.0.0.1:9"}).code);
  EXPECT_EQ(ErrorCode::kCorrupt, resource("authorization_servers", {"https://a.example/?x"}).code);
  const auto server = [](const char* key, Json value) {
    Json document = server_document();
    document[key] = std::move(value);
    return Walk().to_server().answer(document).error();
  };
  EXPECT_EQ(ErrorCode::kPermissionDenied, server("issuer", "https://a.example/").code);
  EXPECT_EQ(ErrorCode::kPermissionDenied, server("token_endpoint", "http://a.example/token").code);
  EXPECT_EQ(ErrorCode::kPermissionDenied, server("authorization_endpoint", "https://192.168.1.1/").code);
  EXPECT_EQ(ErrorCode::kPermissionDenied, server("registration_endpoint", "http://localhost:631/").code);
  EXPECT_NE(std::string::npos, server("code_challenge_methods_supported", nullptr).message.find("PKCE"));
  EXPECT_NE(std::string::npos, server("code_challenge_methods_supported", {"plain"}).message.find("PKCE"));
}

TEST(Flow, AnAnswerOfTheBrowserIsUsedOnlyIfItIsThisLogins) {
  Walk walk;
  walk.to_visit();
  const std::string state = walk.state();
  EXPECT_TRUE(walk.flow.is_answer("code=x&state=" + state));
  EXPECT_FALSE(walk.flow.is_answer("code=x&state=other"));
  EXPECT_FALSE(walk.flow.is_answer("code=x"));
  EXPECT_FALSE(walk.flow.is_answer("code=x&state=" + state + "&state=" + state));
  EXPECT_EQ(ErrorCode::kPermissionDenied, walk.arrive("code=x&state=other").error().code);
  EXPECT_EQ(ErrorCode::kPermissionDenied, walk.arrive("code=x&state=" + state).error().code) << "it has ended";
}

TEST(Flow, ALoginIsOverOnceItsCodeIsUsed) {
  Walk walk;
  const std::string answer = "code=x&state=" + walk.to_visit().state();
  walk.arrive(answer);
  EXPECT_EQ("https://a.example/token", walk.ask().url);
  EXPECT_FALSE(walk.flow.is_answer(answer)) << "a replay";
  EXPECT_EQ(ErrorCode::kPermissionDenied, walk.arrive(answer).error().code);
}

TEST(Flow, TheIssuerOfAnAnswerIsComparedBeforeAnythingElse) {
  const auto arrive = [](bool promised, const std::string& rest) {
    Json document = server_document();
    if (promised) document["authorization_response_iss_parameter_supported"] = true;
    Walk walk;
    walk.to_server().answer(document).answer(std::string(R"({"client_id":"made"})"), 201);
    const std::string state = walk.state();
    return walk.arrive("state=" + state + rest).step;
  };
  const auto ends = [&](bool promised, const std::string& rest) { return std::holds_alternative<Error>(arrive(promised, rest)); };
  EXPECT_FALSE(ends(true, "&code=c&iss=https%3A%2F%2Fa.example"));
  EXPECT_FALSE(ends(false, "&code=c"));
  EXPECT_FALSE(ends(false, "&code=c&iss=https%3A%2F%2Fa.example"));
  EXPECT_TRUE(ends(true, "&code=c"));
  EXPECT_TRUE(ends(true, "&code=c&iss=https%3A%2F%2Fa.example%2F")) << "nothing is normalised";
  EXPECT_TRUE(ends(false, "&code=c&iss=https%3A%2F%2Fevil.example"));
  const Step foreign = arrive(true, "&error=access_denied&error_description=words&iss=https%3A%2F%2Fevil.example");
  EXPECT_EQ(std::string::npos, std::get<Error>(foreign).message.find("words")) << "not shown";
  const Step denied = arrive(false, "&error=access_denied&error_description=words");
  EXPECT_NE(std::string::npos, std::get<Error>(denied).message.find("access_denied: words"));
}

TEST(Flow, ScopesAreTheConfiguredTheNamedOrTheListedOnes) {
  const auto scopes = [](FlowOrder order, Json listed, Json of_server = nullptr) {
    Json resource = resource_document(), server = server_document();
    if (!listed.is_null()) resource["scopes_supported"] = std::move(listed);
    if (!of_server.is_null()) server["scopes_supported"] = std::move(of_server);
    Walk walk(std::move(order));
    walk.answer(resource).answer(server).answer(std::string(R"({"client_id":"made"})"), 201);
    return value_of(walk.visited(), "scope");
  };
  const Challenge named{"bearer", {{"scope", "n1 n2"}}};
  EXPECT_EQ("n1 n2", scopes({.challenge = named}, {"l"}));
  EXPECT_EQ("l1 l2", scopes({}, {"l1", "l2"}));
  EXPECT_EQ("", scopes({}, nullptr));
  EXPECT_EQ("c n1 n2", scopes({.settings = {.scopes = {"c"}}, .challenge = named}, {"l"}));
  EXPECT_EQ("l offline_access", scopes({}, {"l"}, {"l", "offline_access"}));
  EXPECT_EQ("", scopes({}, nullptr, {"offline_access"})) << "alone it would leave out what the server gives by itself";
  Login before{.resource = kServer, .issuer = kIssuer, .asked_for = {"old"}};
  EXPECT_EQ("old n1 n2", scopes({.challenge = named, .held = before}, nullptr));
  before.issuer = "https://other.example";
  EXPECT_EQ("n1 n2", scopes({.challenge = named, .held = before}, nullptr)) << "another server's scopes mean nothing here";
}

TEST(Flow, AClientIsWhoItIsRegisteredAsAndNobodyElsewhere) {
  Walk known({.settings = {.client_id = "mine", .client_secret = "hush-hush"}});
  known.to_register();
  EXPECT_EQ("mine", value_of(known.visited(), "client_id"));
  const std::string state = known.state();
  known.arrive("code=x&state=" + state);
  EXPECT_EQ("Authorization", known.ask().headers.back().first) << "a server that claims to need no secret does not get by without it";

  Walk elsewhere({.settings = {.client_id = "mine", .issuer = "https://b.example"}});
  EXPECT_EQ(ErrorCode::kPermissionDenied, elsewhere.to_server().error().code);

  const Login elsewhere_before{.issuer = "https://b.example", .client = {.issuer = "https://b.example", .client_id = "mine"}};
  Walk moved({.settings = {.client_id = "mine", .client_secret = "hush-hush"}, .held = elsewhere_before});
  EXPECT_NE(std::string::npos, moved.to_register().error().message.find("now names the authorization server https://a.example"));
  Walk meant({.settings = {.client_id = "mine", .issuer = kIssuer}, .held = elsewhere_before});
  EXPECT_EQ("mine", value_of(meant.to_register().visited(), "client_id"));

  Json document = server_document();
  document["client_id_metadata_document_supported"] = true;
  Walk published({.settings = {.client_metadata_url = "https://me.example/client.json"}});
  published.to_server().answer(document);
  EXPECT_EQ("https://me.example/client.json", value_of(published.visited(), "client_id"));

  Login before{.issuer = kIssuer, .client = {.issuer = kIssuer, .client_id = "made before", .redirect_uri = kRedirect, .self_made = true}};
  Walk again({.held = before});
  EXPECT_EQ("made before", value_of(again.to_register().visited(), "client_id"));
  for (auto change : {+[](Registration& r) { r.issuer = "https://b.example"; }, +[](Registration& r) { r.redirect_uri = "http://127.0.0.1:1/callback"; },
                      +[](Registration& r) { r.secret_expires_at = 999; }, +[](Registration& r) { r.self_made = false; }}) {
    Login changed = before;
    change(changed.client);
    Walk anew({.held = changed});
    EXPECT_EQ("https://a.example/register", anew.to_register().ask().url);
  }

  document = server_document();
  document.erase("registration_endpoint");
  Walk nobody;
  EXPECT_NE(std::string::npos, nobody.to_server().answer(document).error().message.find("clientId"));
}

TEST(Flow, ARefusedRegistrationIsSaid) {
  Walk walk;
  walk.to_register().answer(std::string(R"({"error":"invalid_redirect_uri","error_description":"no loopback"})"), 400);
  EXPECT_NE(std::string::npos, walk.error().message.find("invalid_redirect_uri: no loopback"));
  for (const char* odd : {"", "[]", "{}", R"({"client_id":7})"}) {
    Walk other;
    EXPECT_EQ(ErrorCode::kUnsupported, other.to_register().answer(std::string(odd), 201).error().code) << odd;
  }
}

TEST(Flow, WithoutAUserItEndsBeforeAnythingIsRegistered) {
  FlowOrder order{.server_url = kServer};
  Flow flow(order, EndpointRules::make(kServer, {}).value_or_throw(), counting_world());
  (void)flow.begin();
  (void)flow.answer({200, mcp::to_text(resource_document())});
  const Step step = flow.answer({200, mcp::to_text(server_document())});
  ASSERT_TRUE(std::holds_alternative<Error>(step));
  EXPECT_EQ(ErrorCode::kPermissionDenied, std::get<Error>(step).code);
}

TEST(Flow, OtherGrantsNeedNoBrowserAndNoPkce) {
  Json document = server_document();
  document.erase("code_challenge_methods_supported");
  document.erase("authorization_endpoint");
  Walk machine({.settings = {.grant = Grant::kClientCredentials, .client_id = "bot", .client_secret = "hush-hush", .scopes = {"s"}}});
  machine.to_server().answer(document);
  EXPECT_EQ("grant_type=client_credentials&scope=s&resource=https%3A%2F%2Fs.example%2Fmcp", machine.ask().body);
  EXPECT_TRUE(std::holds_alternative<Login>(machine.answer(std::string(kTokens)).step));

  Walk workload({.settings = {.grant = Grant::kJwtBearer, .client_id = "w", .assertion = "a.b.c"}});
  workload.to_server().answer(document);
  EXPECT_EQ("a.b.c", value_of(body_of(workload.ask()), "assertion"));
  EXPECT_EQ("w", value_of(body_of(workload.ask()), "client_id"));
}

TEST(Flow, AnIdentityProvidersTokenIsExchangedAndNotShownToTheServersOne) {
  const Settings settings{.grant = Grant::kJwtBearer, .client_id = "c", .client_secret = "hush-hush",
                          .identity = {"https://idp.example/token", "idp-client", "", "id.to.ken"}};
  Flow flow({.server_url = kServer, .settings = settings}, EndpointRules::make(kServer, settings).value_or_throw(), counting_world());
  (void)flow.begin();
  (void)flow.answer({200, mcp::to_text(resource_document())});
  Step step = flow.answer({200, mcp::to_text(server_document())});
  ASSERT_TRUE(std::holds_alternative<Ask>(step));
  EXPECT_EQ("https://idp.example/token", std::get<Ask>(step).url);
  const Form exchange = body_of(std::get<Ask>(step));
  EXPECT_EQ("id.to.ken", value_of(exchange, "subject_token"));
  EXPECT_EQ(kIssuer, value_of(exchange, "audience"));
  EXPECT_EQ(kServer, value_of(exchange, "resource"));
  EXPECT_EQ("idp-client", value_of(exchange, "client_id"));
  step = flow.answer({200, R"({"access_token":"jag","token_type":"N_A"})"});
  ASSERT_TRUE(std::holds_alternative<Ask>(step));
  EXPECT_EQ("https://a.example/token", std::get<Ask>(step).url);
  EXPECT_EQ("jag", value_of(body_of(std::get<Ask>(step)), "assertion"));
  EXPECT_EQ(std::string::npos, std::get<Ask>(step).body.find("id.to.ken"));
}

// Whatever a server answers, wherever: the flow ends or goes on, and never asks what it may not.
TEST(Flow, AnyAnswerAtAnyPointEndsItOrIsPassedOver) {
  const std::vector<Json> oddities = {nullptr, true, 7, "text", Json::array(), Json::object(), Json::array({Json::object()}), "http://127.0.0.1/", std::string(5000, 'x')};
  for (const auto& document : {resource_document(), server_document()}) {
    for (const auto& [key, value] : document.items()) {
      for (const Json& odd : oddities) {
        Json changed = document;
        changed[key] = odd;
        Walk walk;
        if (document.contains("issuer")) walk.to_server();
        walk.answer(changed);
        for (int n = 0; n < 20; ++n) {
          if (const auto* ask = std::get_if<Ask>(&walk.step)) {
            EXPECT_TRUE(ask->url.starts_with("https://s.example/") || ask->url.starts_with("https://a.example/")) << ask->url;
            walk.answer(std::string("{}"), n % 2 == 0 ? 200 : 404);
          }
        }
        EXPECT_FALSE(std::holds_alternative<Login>(walk.step));
      }
    }
  }
}

}  // namespace
}  // namespace toccata::tools::oauth
