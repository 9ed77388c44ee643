#include "tools/mcp/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/mcp/mcp_tool.h"

namespace toccata::tools::mcp {
namespace {

using ::testing::HasSubstr;

std::optional<std::string> variable(const std::string& name) {
  if (name == "TOKEN") return "s3cret";
  return std::nullopt;
}

Result<std::vector<ServerConfig>> parse(const std::string& entry) {
  return parse_servers("{\"mcpServers\": {\"x\": " + entry + "}}", "mcp.json", variable);
}

TEST(McpConfig, ReadsProgramsAndAddresses) {
  const auto servers = parse_servers(
      R"({ // comments are allowed
        "mcpServers": {
          "files": {"command": "npx", "args": ["-y", "pkg", "${HOME_OF:-/tmp}/x"], "env": {"KEY": "${TOKEN}"}, "cwd": "/srv",
                    "timeout": 1500, "startup_timeout_sec": 2.5, "alwaysAllow": ["read*"], "disabledTools": ["rm"], "icon": 7},
          "off": {"command": "x", "disabled": true}, "out": {"url": "http://[", "enabled": false},
          "web": {"type": "http", "url": "https://mcp.example/${TOKEN}", "headers": {"Authorization": "Bearer ${TOKEN}"}, "optional": true}
        }})",
      "mcp.json", variable
  );
  ASSERT_TRUE(servers) << servers.error().message;
  ASSERT_EQ(2u, servers->size());
  const ServerConfig& files = (*servers)[0];
  EXPECT_EQ("npx", files.process.program);
  EXPECT_EQ((std::vector<std::string>{"-y", "pkg", "/tmp/x"}), files.process.arguments);
  EXPECT_EQ((std::vector<std::string>{"KEY=s3cret"}), files.process.environment);
  EXPECT_EQ("/srv", files.process.folder);
  EXPECT_EQ(1500, files.timeout.count());
  EXPECT_EQ(2500, files.start_timeout.count());
  EXPECT_FALSE(files.asks_for("read_file"));
  EXPECT_TRUE(files.asks_for("write_file") && files.offers("write_file"));
  EXPECT_FALSE(files.offers("rm"));
  const ServerConfig& web = (*servers)[1];
  EXPECT_EQ("https://mcp.example/s3cret", web.url);
  EXPECT_EQ("Bearer s3cret", web.headers[0].second);
  EXPECT_TRUE(web.optional);
  EXPECT_NE(files.identity(), web.identity());
}

TEST(McpConfig, SaysHowAServerIsLoggedInTo) {
  const auto of = [](const std::string& rest) { return parse(R"({"url": "https://s.example/mcp")" + rest + "}").value_or_throw().at(0).oauth; };
  EXPECT_EQ(OAuthSettings{}, of("")) << "any server at an address may want a login";
  EXPECT_EQ(std::nullopt, of(R"(, "oauth": false)"));
  EXPECT_EQ(std::nullopt, of(R"(, "headers": {"authorization": "Bearer mine"})")) << "the user has a token already";
  EXPECT_EQ(std::nullopt, parse(R"({"command": "a"})").value_or_throw().at(0).oauth);
  const auto all = of(R"(, "oauth": {"clientId": "id", "clientSecret": "${TOKEN}", "issuer": "https://a.example", "scopes": ["a", "b"],
                          "callbackPort": 8971, "clientMetadataUrl": "https://me.example/c.json", "origins": ["https://10.0.0.1"]})");
  OAuthSettings expected{.client_id = "id", .client_secret = "s3cret", .issuer = "https://a.example", .client_metadata_url = "https://me.example/c.json",
                         .scopes = {"a", "b"}, .origins = {"https://10.0.0.1"}, .callback_port = 8971};
  EXPECT_EQ(expected, all);
  EXPECT_EQ(Grant::kClientCredentials, of(R"(, "oauth": {"grant": "client_credentials", "clientId": "x"})")->grant);
  EXPECT_EQ(Grant::kJwtBearer, of(R"(, "oauth": {"assertion": "a.b.c"})")->grant);
  EXPECT_EQ(Grant::kJwtBearer, of(R"(, "oauth": {"identityProvider": {"tokenEndpoint": "https://i/t", "idToken": "t"}})")->grant);
  const std::pair<const char*, const char*> cases[] = {
      {R"(7)", "x.oauth is no object"},
      {R"({"grant": "password"})", "x.oauth.grant is 'password'; known: authorization_code, client_credentials, jwt_bearer"},
      {R"({"grant": "client_credentials"})", "x.oauth.clientId is missing"},
      {R"({"grant": "jwt_bearer"})", "x.oauth.assertion is missing"},
      {R"({"identityProvider": {"tokenEndpoint": "https://i/t"}})", "x.oauth.identityProvider.idToken is missing"},
      {R"({"callbackPort": 0})", "x.oauth.callbackPort is no port"},
      {R"({"callbackPort": "8971"})", "x.oauth.callbackPort is no port"},
      {R"({"scopes": "a b"})", "x.oauth.scopes is no list of texts"},
      {R"({"tokenEndpointAuthMethod": "hope"})", "x.oauth.tokenEndpointAuthMethod is 'hope'"},
      {R"({"clientMetadataUrl": "http://me.example/c.json"})", "x.oauth.clientMetadataUrl is no https URL"},
      {R"({"clientSecret": "${MISSING}"})", "x.oauth.clientSecret names the variable MISSING"}};
  for (const auto& [oauth, what] : cases) {
    const auto servers = parse(R"({"url": "https://s.example/mcp", "oauth": )" + std::string(oauth) + "}");
    ASSERT_FALSE(servers) << oauth;
    EXPECT_THAT(servers.error().message, HasSubstr(what));
  }
}

TEST(McpConfig, SaysWhereWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"7", "mcp.json: mcpServers.x is no object"},
      {"{}", "mcpServers.x has neither a command nor a url"},
      {R"({"command": "a", "url": "http://b"})", "has a command and a url"},
      {R"({"command": 3})", "mcpServers.x.command is no text: 3"},
      {R"({"command": "a", "args": "b"})", "x.args is no list of texts"},
      {R"({"command": "a", "args": [1]})", "x.args is no text: 1"},
      {R"({"command": "a", "env": {"K": "${MISSING}"}})", "x.env.K names the variable MISSING, which is not set"},
      {R"({"command": "a", "env": {"K=": "v"}})", "x.env has the name 'K='"},
      {R"({"command": "a\u0000b"})", "holds a NUL character"},
      {R"({"command": "a", "type": "http"})", "x.type is http, which has a url, no command"},
      {R"({"url": "http://a", "type": "sse"})", "x.type is sse"},
      {R"({"url": "file:///etc/passwd"})", "x.url is no http or https URL"},
      {R"({"command": "a", "timeout": "soon"})", "x.timeout is no time"},
      {R"({"command": "a", "disabled": 1})", "x.disabled is neither true nor false"},
  };
  for (const auto& [entry, expected] : cases) {
    const auto servers = parse(entry);
    ASSERT_FALSE(servers) << entry;
    EXPECT_EQ(ErrorCode::kInvalidArgument, servers.error().code);
    EXPECT_THAT(servers.error().message, HasSubstr(expected));
  }
  EXPECT_THAT(parse_servers("{\n  \"mcpServers\": {,", "f", variable).error().message, HasSubstr("f: no JSON: parse error at line 2"));
  EXPECT_THAT(parse_servers("{\"servers\": {}}", "f", variable).error().message, HasSubstr("expected {\"mcpServers\""));
  EXPECT_THAT(parse_servers(std::string(99999, '['), "f", variable).error().message, HasSubstr("nested too deeply"));
}

Manifest manifest() {
  return {{.protocol = "2025-11-25", .name = "n 1", .instructions = "Be\ncareful.", .resources = true},
          {{"get-it", "Gets.", R"({"type":"object"})", true, false}, {"put", "Puts.", "{}", false, true}, {"rm", "", "{}"}},
          {"x: no schema"}};
}

TEST(McpManifest, IsReadAsItWasWritten) {
  const Result<Manifest> read = manifest_from_json(to_json_text(manifest()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(manifest(), *read);
  for (const char* damaged : {"", "{}", R"({"format": 1})", R"({"format": 2})", "[1]"}) EXPECT_FALSE(manifest_from_json(damaged)) << damaged;
}

TEST(McpManifest, IsSearchedForSecretsInEachPlace) {
  Manifest told = manifest();
  told.facts.name = told.facts.instructions = told.tools[0].description = told.tools[2].name = "a token b";
  told.tools[1].parameters = R"({"title":"token"})";
  told.left_out = {"token: no schema"};
  const Manifest safe = redacted(told, [](std::string_view text) {
    std::string out(text);
    if (const auto at = out.find("token"); at != std::string::npos) out.replace(at, 5, "*");
    return out;
  });
  EXPECT_EQ(to_json_text(safe).find("token"), std::string::npos) << to_json_text(safe);
  ASSERT_EQ(2u, safe.tools.size()) << "a tool is called by its name";
  EXPECT_EQ("a * b: there is a secret in its name", safe.left_out.back());
  EXPECT_EQ(manifest(), redacted(manifest(), {}));
}

TEST(McpTools, HintsDecideWhatMayBeRepeatedAndWhatIsAskedFor) {
  ServerConfig config{.name = "s", .process = {.program = "/no/such"}, .disabled_tools = {"list_*"}, .always_allow = {"rm"}};
  auto server = std::make_shared<Server>(config, make_client(config, {}), "");
  const auto tools = make_tools(server, manifest(), "s");
  ASSERT_EQ(4u, tools.size());
  const auto spec = [&](std::size_t i) { return tools[i]->spec(); };
  EXPECT_EQ("get-it", spec(0).functions[0].name);
  EXPECT_EQ("Be\ncareful.", spec(0).description);
  EXPECT_TRUE(spec(0).effect == Effect::kPure && !spec(0).needs_approval);
  EXPECT_TRUE(spec(1).effect == Effect::kKeyed && spec(1).needs_approval);
  EXPECT_TRUE(spec(2).effect == Effect::kEffectful && !spec(2).needs_approval) << "always allowed";
  EXPECT_EQ("read_resource", spec(3).functions[0].name);
  EXPECT_TRUE(spec(3).effect == Effect::kPure && spec(3).stateful);
  const ToolResult result = tools[0]->call({.recipient = "s.get-it", .arguments = "{}", .idempotency_key = ""}, {});
  EXPECT_EQ(ToolStatus::kFailed, result.status) << "told to the model, the run goes on";
  EXPECT_THAT(result.content, HasSubstr("MCP server 's': /no/such is not a program"));
}

}  // namespace
}  // namespace toccata::tools::mcp
