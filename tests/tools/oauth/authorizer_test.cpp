#include "tools/oauth/authorizer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "core/net/client.h"
#include "tools/oauth/redirect_listener.h"

namespace toccata::tools::oauth {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kServer = "https://s.example/mcp";

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : folder_(fs::path(::testing::TempDir()) / ("logins-" + std::to_string(getpid()))) {}
  ~StoreTest() override { fs::remove_all(folder_); }

  Login login() const {
    return {.server_url = kServer, .resource = kServer, .issuer = "https://a.example", .token_endpoint = "https://a.example/token",
            .access_token = "access-token", .granted = {"read"}};
  }
  fs::path folder_;
};

TEST_F(StoreTest, ALoginIsItsOwnersAloneAndOfOneAddress) {
  const LoginStore store(folder_, "my server/..", kServer);
  EXPECT_EQ(std::nullopt, store.load());
  ASSERT_TRUE(store.save(login()));
  EXPECT_EQ(folder_, store.file().parent_path());
  struct stat about = {};
  ASSERT_EQ(0, stat(store.file().c_str(), &about));
  EXPECT_EQ(0600U, about.st_mode & 0777U);
  ASSERT_EQ(0, stat(folder_.c_str(), &about));
  EXPECT_EQ(0700U, about.st_mode & 0777U);
  EXPECT_EQ(login(), store.load());
  EXPECT_EQ(std::nullopt, LoginStore(folder_, "my server/..", "https://evil.example/mcp").load()) << "the name now stands for another address";
  EXPECT_EQ(1, std::distance(fs::directory_iterator(folder_), fs::directory_iterator())) << "nothing is left lying about";
  EXPECT_TRUE(*store.forget());
  EXPECT_FALSE(*store.forget());
  EXPECT_EQ(std::nullopt, store.load());
}

TEST_F(StoreTest, WhatOthersMayChangeOrIsDamagedIsNone) {
  const LoginStore store(folder_, "s", kServer);
  ASSERT_TRUE(store.save(login()));
  ASSERT_EQ(0, chmod(store.file().c_str(), 0666));
  EXPECT_EQ(std::nullopt, store.load());
  ASSERT_EQ(0, chmod(store.file().c_str(), 0600));
  EXPECT_EQ(login(), store.load());
  std::ofstream(store.file()) << "{";
  EXPECT_EQ(std::nullopt, store.load());
  Login other = login();
  other.server_url = "https://evil.example/mcp";
  ASSERT_TRUE(store.save(other));
  EXPECT_EQ(std::nullopt, store.load()) << "a file that was put in its place";
}

TEST_F(StoreTest, AnAuthorizerSaysWhatToDoWhereNobodyCanBeAsked) {
  std::vector<std::string> kept_out;
  AuthorizerOrder order{.name = "s", .server_url = kServer, .settings = {.client_secret = "hush-hush"}};
  order.keep_out = [&](const std::string&, const std::string& value) { kept_out.push_back(value); };
  ASSERT_TRUE(LoginStore(folder_, "s", kServer).save(login()));
  Authorizer authorizer(order, LoginStore(folder_, "s", kServer));
  EXPECT_EQ("Bearer access-token", authorizer.current());
  for (const char* secret : {"hush-hush", "access-token"}) EXPECT_NE(kept_out.end(), std::find(kept_out.begin(), kept_out.end(), secret)) << secret;
  const mcp::Wait wait{std::chrono::steady_clock::now() + 10s, {}};
  const auto refused = authorizer.renew({401, {"Bearer error=invalid_token"}, "Bearer access-token"}, wait);
  ASSERT_FALSE(refused);
  EXPECT_NE(std::string::npos, refused.error().message.find("toccata mcp login s")) << refused.error().message;
}

TEST_F(StoreTest, ARefusalForScopesIsWorthALoginOnlyIfOneIsMissing) {
  ASSERT_TRUE(LoginStore(folder_, "s", kServer).save(login()));
  Authorizer authorizer({.name = "s", .server_url = kServer}, LoginStore(folder_, "s", kServer));
  const mcp::Wait wait{std::chrono::steady_clock::now() + 10s, {}};
  const auto renew = [&](const char* challenge, int n_before = 0) { return authorizer.renew({403, {challenge}, "Bearer access-token", n_before}, wait); };
  const auto other = renew("Bearer error=access_denied");
  ASSERT_TRUE(other);
  EXPECT_FALSE(*other) << "not a matter of authorization";
  EXPECT_NE(std::string::npos, renew("Bearer error=insufficient_scope, scope=read").error().message.find("was granted and is not enough"));
  EXPECT_NE(std::string::npos, renew("Bearer error=insufficient_scope, scope=write").error().message.find("toccata mcp login s"));
  EXPECT_NE(std::string::npos, renew("Bearer error=insufficient_scope, scope=write", 2).error().message.find("again and again"));
}

TEST_F(StoreTest, WhatAnotherThreadGotIsUsed) {
  ASSERT_TRUE(LoginStore(folder_, "s", kServer).save(login()));
  Authorizer authorizer({.name = "s", .server_url = kServer}, LoginStore(folder_, "s", kServer));
  const mcp::Wait wait{std::chrono::steady_clock::now() + 10s, {}};
  EXPECT_TRUE(*authorizer.renew({401, {"Bearer"}, "Bearer the one before"}, wait));
  // Another process renewed it.
  Login newer = login();
  newer.access_token = "newer-token";
  ASSERT_TRUE(LoginStore(folder_, "s", kServer).save(newer));
  EXPECT_TRUE(*authorizer.renew({401, {"Bearer"}, "Bearer access-token"}, wait));
  EXPECT_EQ("Bearer newer-token", authorizer.current());
}

TEST(RedirectListener, WaitsForTheAnswerAndForNothingElse) {
  RedirectListener listener = RedirectListener::open(0).value_or_throw();
  const std::string uri = listener.uri();
  std::vector<int> statuses;
  std::jthread browser([&] {
    net::Client client;
    for (const std::string& url : {uri.substr(0, uri.rfind('/')) + "/favicon.ico", uri + "?state=wrong&code=x", uri + "?state=right&code=%41", uri}) {
      const auto response = client.send({.url = url, .total_timeout = 5s});
      statuses.push_back(response ? response->status : 0);
      if (url.find("right") != std::string::npos) break;
    }
  });
  const auto query = listener.wait([](std::string_view text) { return text.starts_with("state=right"); }, std::chrono::steady_clock::now() + 20s, {});
  browser.join();
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ("state=right&code=%41", *query);
  EXPECT_EQ((std::vector<int>{404, 400, 200}), statuses);
}

TEST(RedirectListener, EndsInTimeAndWhenStopped) {
  RedirectListener listener = RedirectListener::open(0).value_or_throw();
  const auto never = [](std::string_view) { return false; };
  EXPECT_EQ(ErrorCode::kTimeout, listener.wait(never, std::chrono::steady_clock::now() + 1ms, {}).error().code);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(ErrorCode::kCancelled, listener.wait(never, std::chrono::steady_clock::now() + 1h, stop.get_token()).error().code);
  const int port = std::stoi(listener.uri().substr(std::string("http://127.0.0.1:").size()));
  const auto taken = RedirectListener::open(port);
  ASSERT_FALSE(taken);
  EXPECT_EQ(ErrorCode::kUnavailable, taken.error().code);
}

}  // namespace
}  // namespace toccata::tools::oauth
