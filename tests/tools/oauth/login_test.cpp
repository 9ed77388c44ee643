#include "tools/oauth/login.h"

#include <gtest/gtest.h>

#include "core/base/base64.h"

namespace toccata::tools::oauth {
namespace {

World quiet_world() {
  return {[] { return 1000; }, [](std::size_t n) { return std::string(n, 'r'); }};
}

Login sample() {
  return {.server_url = "https://s.example/mcp", .resource = "https://s.example/mcp", .issuer = "https://a.example",
          .token_endpoint = "https://a.example/token",
          .client = {.issuer = "https://a.example", .client_id = "id", .client_secret = "hush", .auth_method = "client_secret_basic",
                     .redirect_uri = "http://127.0.0.1:1/callback", .secret_expires_at = 9, .self_made = true},
          .access_token = "access-token", .refresh_token = "refresh-token", .expires_at = 5000, .asked_for = {"a", "b"}, .granted = {"a"}};
}

TEST(Login, SurvivesItsFileAndDamagedFilesAreNone) {
  const std::string text = to_json_text(sample());
  const auto read = login_from_json(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(sample(), *read);
  for (std::size_t n = 0; n < text.size() - 2; n += 7) EXPECT_FALSE(login_from_json(text.substr(0, n)));
  const auto damaged = login_from_json(R"({"format":1,"access_token":"access-token"})");
  ASSERT_FALSE(damaged);
  EXPECT_EQ(std::string::npos, damaged.error().message.find("access-token"));
}

TEST(Forms, AreEncodedAndReadAndNothingStandsTwice) {
  EXPECT_EQ("a=x%20y&b=%26%3D", form_text({{"a", "x y"}, {"empty", ""}, {"b", "&="}}));
  const auto form = parse_query("a=x%20y&b=%26%3D&c=1+2&&d");
  ASSERT_TRUE(form);
  EXPECT_EQ("x y", value_of(*form, "a"));
  EXPECT_EQ("&=", value_of(*form, "b"));
  EXPECT_EQ("1 2", value_of(*form, "c"));
  EXPECT_EQ("", value_of(*form, "d"));
  EXPECT_EQ("", value_of(*form, "none"));
  EXPECT_FALSE(parse_query("state=a&code=b&state=c"));
  EXPECT_FALSE(parse_query("state=a&%73tate=c")) << "spelled otherwise";
}

TEST(TokenRequests, ProveTheClientAsTheServerTakesIt) {
  Registration client{.client_id = "my id", .client_secret = "s:1"};
  const auto body = [&](const char* method) {
    client.auth_method = method;
    return token_request("https://a.example/token", "https://a.example", client, {}, {{"grant_type", "x"}}, quiet_world()).value_or_throw();
  };
  EXPECT_EQ("grant_type=x&client_id=my%20id", body("none").body);
  EXPECT_EQ("grant_type=x&client_id=my%20id&client_secret=s%3A1", body("client_secret_post").body);
  const Ask basic = body("client_secret_basic");
  EXPECT_EQ("grant_type=x", basic.body);
  EXPECT_EQ((std::pair<std::string, std::string>{"Authorization", "Basic " + base64("my%20id:s%3A1")}), basic.headers.back());
  client.auth_method = "private_key_jwt";
  const auto none = token_request("https://a.example/token", "https://a.example", client, "no key", {}, quiet_world());
  ASSERT_FALSE(none);
  EXPECT_EQ(ErrorCode::kInvalidArgument, none.error().code);
}

TEST(Tokens, AreTakenFromTheAnswer) {
  const Answer answer{200, R"({"access_token":"new-token","token_type":"bEaReR","expires_in":60,"refresh_token":"new-refresh","scope":"a c"})"};
  const auto login = with_tokens(sample(), answer, 1000);
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ("new-token", login->access_token);
  EXPECT_EQ("new-refresh", login->refresh_token);
  EXPECT_EQ(1060, login->expires_at);
  EXPECT_EQ((std::vector<std::string>{"a", "c"}), login->granted);
  const auto less = with_tokens(sample(), {200, R"({"access_token":"new-token","token_type":"Bearer"})"}, 1000);
  EXPECT_EQ("refresh-token", less->refresh_token) << "the one there is goes on";
  EXPECT_EQ(0, less->expires_at);
  EXPECT_EQ(sample().asked_for, less->granted);
  EXPECT_EQ(1000, with_tokens(sample(), {200, R"({"access_token":"new-token","token_type":"Bearer","expires_in":-5})"}, 1000)->expires_at);
}

TEST(Tokens, WhatIsNoneIsRefusedWithoutBeingShown) {
  const auto code_of = [](int status, const std::string& body) {
    const auto login = with_tokens(sample(), {status, body}, 1000);
    EXPECT_FALSE(login) << body;
    if (login) return ErrorCode::kIo;
    EXPECT_EQ(std::string::npos, login.error().message.find("hidden-token")) << login.error().message;
    return login.error().code;
  };
  EXPECT_EQ(ErrorCode::kUnsupported, code_of(200, R"({"access_token":"hidden-token","token_type":"DPoP"})"));
  EXPECT_EQ(ErrorCode::kCorrupt, code_of(200, R"({"access_token":"hidden-token\r\nX: y","token_type":"Bearer"})")) << "it goes into a header";
  EXPECT_EQ(ErrorCode::kCorrupt, code_of(200, R"({"access_token":"short","token_type":"Bearer"})")) << "it could not be kept out of texts";
  EXPECT_EQ(ErrorCode::kCorrupt, code_of(200, R"({"token_type":"Bearer"})"));
  EXPECT_EQ(ErrorCode::kCorrupt, code_of(200, "hidden-token"));
  EXPECT_EQ(ErrorCode::kCorrupt, code_of(200, R"({"access_token":"hidden-token","token_type":"Bearer","refresh_token":"a b c d e f"})"));
  EXPECT_EQ(ErrorCode::kPermissionDenied, code_of(400, R"({"error":"invalid_grant","access_token":"hidden-token"})"));
  EXPECT_EQ(ErrorCode::kUnavailable, code_of(503, "later"));
  EXPECT_EQ(ErrorCode::kUnavailable, code_of(429, ""));
  EXPECT_EQ("invalid_grant: no such  code", refusal_of(R"({"error":"invalid_grant","error_description":"no such\u001b code"})"));
  EXPECT_EQ("", refusal_of("<html>"));
}

TEST(Refreshing, NamesTheResourceAndProvesTheClient) {
  const Ask ask = refresh_request(sample(), {}, quiet_world()).value_or_throw();
  EXPECT_EQ("https://a.example/token", ask.url);
  EXPECT_EQ("grant_type=refresh_token&refresh_token=refresh-token&resource=https%3A%2F%2Fs.example%2Fmcp", ask.body);
  EXPECT_EQ("Authorization", ask.headers.back().first);
}

}  // namespace
}  // namespace toccata::tools::oauth
