#include "core/net/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/loopback_server.h"

namespace toccata::net {
namespace {

using namespace std::chrono_literals;
using testing::Connection;
using testing::http_answer;
using testing::LoopbackServer;

// Generous: only a client that never gives up would reach it.
constexpr auto kForever = 60s;

LoopbackServer server_saying(std::string bytes) {
  return LoopbackServer([bytes = std::move(bytes)](const std::string&, Connection& connection) {
    connection.send(bytes);
  });
}

TEST(ClientTest, GetsStatusHeadersAndBody) {
  auto server =
      server_saying(http_answer("404 Not Found", "text/plain", "nothing here", "X-A: b\r\n"));
  Client client;
  const auto response = client.send({.url = server.url("/page?q=1"), .headers = {{"X-Q", "r"}}});
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "nothing here");
  EXPECT_EQ(response->header("x-a"), "b");
  EXPECT_EQ(response->url, server.url("/page?q=1"));
  EXPECT_TRUE(server.requests()[0].starts_with("GET /page?q=1 HTTP/1.1\r\n"));
  EXPECT_NE(server.requests()[0].find("X-Q: r\r\n"), std::string::npos);
}

TEST(ClientTest, PostsABodyAsItIs) {
  auto server = server_saying(http_answer("200 OK", "text/plain", ""));
  Client client;
  const std::string body("a\0b", 3);
  ASSERT_TRUE(client.send({.method = "POST", .url = server.url("/"), .body = body}));
  EXPECT_TRUE(server.requests()[0].ends_with("\r\n\r\n" + body));
  EXPECT_EQ(server.requests()[0].find("Expect:"), std::string::npos);
}

TEST(ClientTest, StreamsTheBodyWhileTheServerStillSends) {
  std::atomic<bool> first_seen = false;
  LoopbackServer server([&](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst");
    while (!first_seen && connection.is_open()) std::this_thread::yield();
    connection.send(" second");
  });
  Client client;
  auto exchange = client.start({.url = server.url("/")});
  ASSERT_TRUE(exchange) << exchange.error().message;
  EXPECT_EQ(exchange->response().status, 200);
  std::string all;
  while (true) {
    auto bytes = exchange->read({});
    ASSERT_TRUE(bytes) << bytes.error().message;
    if (bytes->empty()) break;
    all += *bytes;
    if (all == "first") first_seen = true;
  }
  EXPECT_EQ(all, "first second");
}

TEST(ClientTest, RefusesOtherSchemesAndHeaderInjection) {
  Client client;
  for (const char* url :
       {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "", "/etc/passwd"}) {
    const auto response = client.send({.url = url});
    ASSERT_FALSE(response) << url;
    EXPECT_EQ(response.error().code, ErrorCode::kInvalidArgument) << url;
  }
  const auto response = client.send({.url = "http://127.0.0.1/", .headers = {{"A", "b\r\nC: d"}}});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kInvalidArgument);
}

TEST(ClientTest, DoesNotFollowRedirectsUnlessAsked) {
  auto target = server_saying(http_answer("200 OK", "text/plain", "there"));
  auto server = server_saying(
      http_answer("302 Found", "text/plain", "moved", "Location: " + target.url("/t") + "\r\n")
  );
  Client client;
  auto stays = client.send({.url = server.url("/")});
  ASSERT_TRUE(stays);
  EXPECT_EQ(stays->status, 302);
  Request request{.url = server.url("/")};
  request.redirects_max = 3;
  auto goes = client.send(request);
  ASSERT_TRUE(goes) << goes.error().message;
  EXPECT_EQ(goes->status, 200);
  EXPECT_EQ(goes->body, "there");
  EXPECT_EQ(goes->url, target.url("/t"));
}

TEST(ClientTest, DoesNotFollowARedirectToAFile) {
  auto server =
      server_saying(http_answer("302 Found", "text/plain", "", "Location: file:///etc/passwd\r\n"));
  Client client;
  Request request{.url = server.url("/")};
  request.redirects_max = 3;
  const auto response = client.send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kCorrupt);
}

TEST(ClientTest, StopsAtTheHeaderCap) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.is_open()) connection.send("X-Endless: " + std::string(1000, 'a') + "\r\n");
  });
  Client client;
  const auto response = client.send({.url = server.url("/")});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kResourceExhausted);
}

TEST(ClientTest, StopsAtTheBodyCap) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    while (connection.is_open()) connection.send(std::string(10'000, 'a'));
  });
  Client client;
  Request request{.url = server.url("/")};
  request.body_bytes_max = 100'000;
  const auto response = client.send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(response.error().message.find("100000 bytes of body"), std::string::npos);
}

TEST(ClientTest, ASlowReaderGetsEverything) {
  const std::string body(3'000'000, 'x');
  auto server = server_saying(http_answer("200 OK", "text/plain", body));
  Client client;
  auto exchange = client.start({.url = server.url("/")});
  ASSERT_TRUE(exchange);
  auto all = exchange->read_all(body.size() + 1, {});
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), body.size());
}

TEST(ClientTest, SaysWhenTheBodyWasCutShort) {
  auto server = server_saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  Client client;
  const auto response = client.send({.url = server.url("/")});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kCorrupt);
}

TEST(ClientTest, WhatCameOfABodyThatBrokeOffCanBeRead) {
  auto server = server_saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  Client client;
  auto exchange = client.start({.url = server.url("/")});
  ASSERT_TRUE(exchange) << exchange.error().message;
  std::string all;
  auto bytes = exchange->read({});
  for (; bytes && !bytes->empty(); bytes = exchange->read({})) all += *bytes;
  EXPECT_EQ(all, "short");
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kCorrupt);
}

TEST(ClientTest, SaysWhenItIsNotHttp) {
  auto server = server_saying("SSH-2.0-OpenSSH_9.2\r\n");
  Client client;
  const auto response = client.send({.url = server.url("/")});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kCorrupt) << response.error().message;
}

TEST(ClientTest, GivesUpOnASilentServer) {
  LoopbackServer server([](const std::string&, Connection& connection) { connection.stall(); });
  Client client;
  Request request{.url = server.url("/")};
  request.idle_timeout = 30ms;
  const auto response = client.send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kTimeout);
}

TEST(ClientTest, GivesUpOnADrippingServer) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    while (connection.is_open()) {
      connection.send("a");
      std::this_thread::sleep_for(1ms);
    }
  });
  Client client;
  Request request{.url = server.url("/")};
  request.idle_timeout = kForever;
  request.total_timeout = 100ms;
  const auto response = client.send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kTimeout);
}

TEST(ClientTest, StopsWhenAskedTo) {
  std::stop_source stop;
  LoopbackServer server([&](const std::string&, Connection& connection) {
    stop.request_stop();
    connection.stall();
  });
  Client client;
  Request request{.url = server.url("/")};
  request.idle_timeout = kForever;
  const auto response = client.send(request, stop.get_token());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kCancelled);
}

TEST(ClientTest, ThePolicyDecidesAboutEachAddress) {
  auto server = server_saying(http_answer("200 OK", "text/plain", "secret"));
  Client client;
  Request request{.url = server.url("/")};
  PeerAddress seen;
  request.connect_policy = [&](const PeerAddress& peer) -> std::optional<std::string> {
    seen = peer;
    return "it is this machine";
  };
  const auto response = client.send(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kPermissionDenied);
  EXPECT_NE(response.error().message.find("it is this machine"), std::string::npos);
  EXPECT_EQ(seen.ip, "127.0.0.1");
  EXPECT_EQ(seen.port, server.port());
  EXPECT_TRUE(server.requests().empty());
}

TEST(ClientTest, SaysWhenNobodyListens) {
  int port = 0;
  {
    auto server = server_saying("");
    port = server.port();
  }
  Client client;
  const auto response = client.send({.url = "http://127.0.0.1:" + std::to_string(port) + "/"});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
}

TEST(ClientTest, TwoExchangesOfOneClientDoNotMix) {
  auto a = server_saying(http_answer("200 OK", "text/plain", std::string(500'000, 'a')));
  auto b = server_saying(http_answer("200 OK", "text/plain", std::string(500'000, 'b')));
  Client client;
  auto first = client.start({.url = a.url("/")});
  auto second = client.start({.url = b.url("/")});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->read_all(1'000'000, {}).value_or_throw(), std::string(500'000, 'b'));
  EXPECT_EQ(first->read_all(1'000'000, {}).value_or_throw(), std::string(500'000, 'a'));
}

}  // namespace
}  // namespace toccata::net
