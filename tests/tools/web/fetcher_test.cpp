#include "tools/web/fetcher.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/loopback_server.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using testing::Connection;
using testing::http_answer;
using testing::LoopbackServer;

AddressPolicy allowing(const LoopbackServer& server) { return AddressPolicy::with_origins({server.url()}).value_or_throw(); }

LoopbackServer saying(std::string bytes) {
  return LoopbackServer([bytes = std::move(bytes)](const std::string&, Connection& connection) { connection.send(bytes); });
}

TEST(FetcherTest, ReadsAPageOfAnAllowedOrigin) {
  auto server = saying(http_answer("200 OK", "text/html; charset=utf-8", "<p>hello"));
  Fetcher fetcher(allowing(server));
  const auto page = fetcher.fetch(server.url("/a#part"));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->body, "<p>hello");
  EXPECT_TRUE(page->html);
  EXPECT_EQ(page->url, server.url("/a"));
}

TEST(FetcherTest, NeverConnectsToThisMachineByDefault) {
  auto server = saying(http_answer("200 OK", "text/plain", "secret"));
  const std::string port = std::to_string(server.port());
  Fetcher fetcher({}, {}, {"rebound.example:" + port + ":127.0.0.1"});
  for (const std::string host : {"127.0.0.1", "localhost", "rebound.example", "127.1"}) {
    const auto page = fetcher.fetch("http://" + host + ":" + port + "/");
    ASSERT_FALSE(page) << host;
    if (host == "rebound.example") {
      EXPECT_EQ(page.error().code, ErrorCode::kPermissionDenied) << page.error().message;
    }
  }
  EXPECT_TRUE(server.requests().empty());
}

TEST(FetcherTest, ARedirectIsJudgedAgain) {
  auto secret = saying(http_answer("200 OK", "text/plain", "secret"));
  const std::string port = std::to_string(secret.port());
  for (const std::string& target : {secret.url("/"), "http://rebound.example:" + port + "/", std::string("file:///etc/passwd")}) {
    auto server = saying(http_answer("302 Found", "text/plain", "", "Location: " + target + "\r\n"));
    Fetcher fetcher(allowing(server), {}, {"rebound.example:" + port + ":127.0.0.1"});
    EXPECT_FALSE(fetcher.fetch(server.url("/"))) << target;
  }
  EXPECT_TRUE(secret.requests().empty());
}

TEST(FetcherTest, EndsARedirectLoop) {
  auto server = saying(http_answer("302 Found", "text/plain", "", "Location: /again\r\n"));
  Fetcher fetcher(allowing(server), {.redirects_max = 3});
  const auto page = fetcher.fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST(FetcherTest, EndsAnEndlessBody) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
    while (connection.is_open()) connection.send(std::string(10'000, 'a'));
  });
  Fetcher fetcher(allowing(server), {.body_bytes_max = 100'000});
  const auto page = fetcher.fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kResourceExhausted);
}

TEST(FetcherTest, StopsWhenAskedTo) {
  std::stop_source stop;
  LoopbackServer server([&](const std::string&, Connection& connection) {
    stop.request_stop();
    connection.stall();
  });
  Fetcher fetcher(allowing(server));
  const auto page = fetcher.fetch(server.url("/"), stop.get_token());
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kCancelled);
}

TEST(FetcherTest, OnlyTextIsRead) {
  auto pdf = saying(http_answer("200 OK", "application/pdf", "%PDF"));
  Fetcher fetcher(allowing(pdf));
  const auto page = fetcher.fetch(pdf.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(page.error().message.find("application/pdf"), std::string::npos);
}

}  // namespace
}  // namespace toccata::tools
