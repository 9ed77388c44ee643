#include "tools/oauth/metadata.h"

#include <gtest/gtest.h>

#include "tools/oauth/endpoint_rules.h"

namespace toccata::tools::oauth {
namespace {

using Texts = std::vector<std::string>;

WebUrl url(const std::string& text) { return parse_web_url(text).value_or_throw(); }

TEST(Metadata, IsLookedForInTheOrderOfTheSpecification) {
  EXPECT_EQ((Texts{"https://s.example/.well-known/oauth-protected-resource/a/mcp", "https://s.example/.well-known/oauth-protected-resource"}),
            resource_metadata_urls(url("https://s.example/a/mcp?x=1")));
  EXPECT_EQ(Texts{"https://s.example:8443/.well-known/oauth-protected-resource"}, resource_metadata_urls(url("https://s.example:8443/")));
  EXPECT_EQ((Texts{"https://a.example/.well-known/oauth-authorization-server/t", "https://a.example/.well-known/openid-configuration/t",
                   "https://a.example/t/.well-known/openid-configuration"}),
            server_metadata_urls(url("https://a.example/t")));
  EXPECT_EQ((Texts{"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"}),
            server_metadata_urls(url("https://a.example")));
}

TEST(Metadata, OfAResourceIsForThisServerOrWhatIsAboveIt) {
  const WebUrl server = url("https://s.example/a/mcp");
  const auto with = [&](const std::string& resource) {
    return parse_resource_metadata(R"({"resource":")" + resource + R"(","authorization_servers":["https://a.example"]})", server);
  };
  for (const char* mine : {"https://s.example/a/mcp", "https://s.example/a", "https://s.example/a/", "https://s.example", "HTTPS://S.example/"}) {
    const auto metadata = with(mine);
    ASSERT_TRUE(metadata) << mine << ": " << metadata.error().message;
    EXPECT_EQ(mine, metadata->resource) << "as published";
  }
  for (const char* other : {"https://evil.example/a/mcp", "http://s.example/a/mcp", "https://s.example:444/a/mcp", "https://s.example/a/mc",
                            "https://s.example/a/mcp/b", "https://s.example/a/mcp#x", "https://s.example/a?b", "", "s.example"}) {
    const auto metadata = with(other);
    ASSERT_FALSE(metadata) << other;
    EXPECT_EQ(ErrorCode::kPermissionDenied, metadata.error().code) << other;
  }
}

TEST(Metadata, OfAResourceSaysWhoGivesTokens) {
  const WebUrl server = url("https://s.example/mcp");
  const auto parse = [&](const std::string& rest) { return parse_resource_metadata(R"({"resource":"https://s.example/mcp")" + rest + "}", server); };
  EXPECT_FALSE(parse(""));
  EXPECT_FALSE(parse(R"(,"authorization_servers":[])"));
  EXPECT_FALSE(parse(R"(,"authorization_servers":"https://a.example")"));
  const auto metadata = parse(R"(,"authorization_servers":["https://a.example",7,"https://b.example"],"scopes_supported":["r","w w2"])");
  ASSERT_TRUE(metadata);
  EXPECT_EQ((Texts{"https://a.example", "https://b.example"}), metadata->authorization_servers);
  EXPECT_EQ((Texts{"r", "w", "w2"}), metadata->scopes_supported);
  EXPECT_EQ(std::nullopt, parse(R"(,"authorization_servers":["https://a.example"])")->scopes_supported);
  EXPECT_FALSE(parse_resource_metadata("[1]", server));
  EXPECT_FALSE(parse_resource_metadata(std::string(300'000, ' ') + "{}", server));
  EXPECT_FALSE(parse_resource_metadata(std::string(100'000, '['), server));
}

TEST(Metadata, OfAnAuthorizationServerIsForItsIssuerLetterByLetter) {
  const std::string text = R"({"issuer":"https://a.example/t","token_endpoint":"https://a.example/token","authorization_endpoint":"https://a.example/auth"})";
  const auto metadata = parse_server_metadata(text, "https://a.example/t");
  ASSERT_TRUE(metadata) << metadata.error().message;
  EXPECT_EQ(Texts{"client_secret_basic"}, metadata->token_auth_methods) << "what RFC 8414 says of silence";
  EXPECT_FALSE(metadata->iss_parameter);
  for (const char* other : {"https://a.example/t/", "https://A.example/t", "https://a.example", "https://a.example:443/t"}) {
    const auto wrong = parse_server_metadata(text, other);
    ASSERT_FALSE(wrong) << other;
    EXPECT_EQ(ErrorCode::kPermissionDenied, wrong.error().code);
  }
  EXPECT_FALSE(parse_server_metadata(R"({"issuer":"https://a.example"})", "https://a.example")) << "no token endpoint";
}

TEST(Metadata, RedirectsStayAtTheirOrigin) {
  const WebUrl from = url("https://s.example/.well-known/x");
  EXPECT_EQ("https://s.example/y?z", same_origin_redirect(from, "/y?z"));
  EXPECT_EQ("https://s.example/y", same_origin_redirect(from, "https://s.example/y"));
  for (const char* away : {"https://evil.example/y", "//evil.example/y", "http://s.example/y", "y", "", "javascript:1"}) {
    EXPECT_EQ(std::nullopt, same_origin_redirect(from, away)) << away;
  }
}

TEST(EndpointRules, WhatAServerNamesIsThePublicWebAndEncrypted) {
  const EndpointRules remote = EndpointRules::make("https://s.example/mcp", {}).value_or_throw();
  EXPECT_TRUE(remote.check("https://a.example/token", "it"));
  EXPECT_TRUE(remote.check("https://s.example/x", "it"));
  for (const char* closed : {"http://a.example/token", "https://127.0.0.1/token", "http://127.0.0.1:631/", "http://localhost:9/", "https://10.0.0.5/t",
                             "https://169.254.169.254/latest", "https://[::1]/", "https://metadata.internal/", "https://a.example:22/", "file:///etc/passwd",
                             "https://user@a.example/", "javascript:alert(1)", ""}) {
    const auto refused = remote.check(closed, "token_endpoint");
    ASSERT_FALSE(refused) << closed;
    EXPECT_EQ(ErrorCode::kPermissionDenied, refused.error().code) << closed;
    EXPECT_EQ(0U, refused.error().message.find("token_endpoint may not be asked: ")) << refused.error().message;
  }
  EXPECT_FALSE(judge_address(remote.policy_for(url("https://a.example/")), url("https://a.example/"), "10.0.0.5").allow) << "a name that leads inside";
}

TEST(EndpointRules, WhatTheUserNamesIsOpenAndAServerOfThisMachineMayNameThisMachine) {
  mcp::OAuthSettings settings;
  settings.origins = {"https://10.0.0.5:8443"};
  settings.issuer = "https://login.corp/t";
  const EndpointRules rules = EndpointRules::make("https://tools.corp/mcp", settings).value_or_throw();
  EXPECT_TRUE(rules.check("https://10.0.0.5:8443/token", "it"));
  EXPECT_TRUE(rules.check("https://login.corp/other", "it"));
  EXPECT_FALSE(rules.check("https://10.0.0.6:8443/token", "it"));
  const EndpointRules here = EndpointRules::make("http://127.0.0.1:3000/mcp", {}).value_or_throw();
  EXPECT_TRUE(here.check("http://localhost:4000/token", "it"));
  EXPECT_FALSE(here.check("https://10.0.0.5/token", "it"));
  EXPECT_FALSE(EndpointRules::make("http://s.example/mcp", {})) << "tokens in the open";
  settings.origins = {"nonsense"};
  EXPECT_FALSE(EndpointRules::make("https://s.example/mcp", settings));
}

}  // namespace
}  // namespace toccata::tools::oauth
