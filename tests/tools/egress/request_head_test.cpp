#include "tools/egress/request_head.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace toccata::tools {
namespace {

using namespace std::string_literals;

std::string text_of(const Result<ProxyRequest>& request) { return request ? "allowed" : std::to_string(status_of(request.error())) + " " + request.error().message; }

TEST(RequestHeadTest, ATunnelHasAHostAndAPort) {
  const auto request = parse_proxy_request("CONNECT PyPI.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\nUser-Agent: x\r\n\r\n");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_TRUE(request->tunnel);
  EXPECT_EQ("pypi.org", request->url.host);
  EXPECT_EQ(443, request->url.port);
  EXPECT_EQ("", request->head);
  EXPECT_TRUE(parse_proxy_request("CONNECT [2001:db8::1]:8443 HTTP/1.0\r\n\r\n")->url.literal.has_value());
}

TEST(RequestHeadTest, APlainRequestIsWrittenAnew) {
  const auto request = parse_proxy_request(
      "POST http://Example.org:8080/a?b#c HTTP/1.0\r\nHost: other.example\r\nAccept: */*\r\nProxy-Authorization: Basic eDp5\r\n"
      "Proxy-Connection: keep-alive\r\nConnection: X-Own, keep-alive\r\nX-Own: 1\r\nContent-Length: 5\r\nX-Kept:  two words \r\nUpgrade: h2c\r\n\r\n"
  );
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_FALSE(request->tunnel);
  EXPECT_EQ(5U, request->body_bytes);
  EXPECT_EQ(
      "POST /a?b HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\nX-Kept: two words\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
      request->head
  );
}

TEST(RequestHeadTest, AConnectionFieldCannotTakeTheLengthAway) {
  const auto request = parse_proxy_request("POST http://a.example/ HTTP/1.1\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(request.ok());
  EXPECT_NE(std::string::npos, request->head.find("Content-Length: 3\r\n"));
}

TEST(RequestHeadTest, WhatCouldBeReadInTwoWaysIsRefused) {
  const std::string get = "GET http://a.example/ HTTP/1.1\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"", 400},
      {"\r\n", 400},
      {"\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\n\r\n", 400},
      {"GET https://a.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET ftp://a.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET  http://a.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://a.example/ HTTP/1.1 \r\n\r\n", 400},
      {"GET\thttp://a.example/\tHTTP/1.1\r\n\r\n", 400},
      {" GET http://a.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://a.example/ HTTP/1.1\n\n", 400},
      {"GET http://a.example/ HTTP/1.1\nHost: b\r\n\r\n", 400},
      {"GET http://a.example/ HTTP/1.1\rHost: b\r\n\r\n", 400},
      {"GET http://a.example/ HTTP/2\r\n\r\n", 505},
      {"GET http://a.example/ HTTP/1.10\r\n\r\n", 505},
      {"GET http://a.example/\r\n\r\n", 400},
      {"G(T http://a.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://user@a.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://a.example%2eb/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://a.example./ HTTP/1.1\r\n\r\n", 400},
      {"GET http://0x7f.1/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://2130706433/ HTTP/1.1\r\n\r\n", 400},
      {"GET http://a.example\0.b/ HTTP/1.1\r\n\r\n"s, 400},
      {"CONNECT a.example HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a.example: HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a.example:0 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a.example:70000 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a.example:443/ HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a.example:443#b HTTP/1.1\r\n\r\n", 400},
      {"CONNECT b@a.example:443 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT http://a.example:443 HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a\0.example:443 HTTP/1.1\r\n\r\n"s, 400},
      {"CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\n", 400},
      {get + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {get + "Content-Length: 1, 1\r\n\r\n", 400},
      {get + "Content-Length: +1\r\n\r\n", 400},
      {get + "Content-Length: 0x1\r\n\r\n", 400},
      {get + "Content-Length: \r\n\r\n", 400},
      {get + "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {get + "Content-Length : 1\r\n\r\n", 400},
      {get + "Transfer-Encoding: chunked\r\n\r\n", 411},
      {get + "Transfer-Encoding: xchunked\r\nContent-Length: 1\r\n\r\n", 411},
      {get + "transfer-encoding:\tchunked\r\n\r\n", 411},
      {get + "X: 1\r\n folded\r\n\r\n", 400},
      {get + ": empty\r\n\r\n", 400},
      {get + "no colon\r\n\r\n", 400},
      {get + "X: a\0b\r\n\r\n"s, 400},
      {get + "X: a\x7f\r\n\r\n", 400},
      {get + "X: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
      {get + "X: a\r\n\r\nGET http://b.example/ HTTP/1.1\r\n\r\n", 400},
      {get + "X: " + std::string(kHeadBytesMax, 'x') + "\r\n\r\n", 431},
  };
  for (const auto& [head, status] : cases) {
    const auto request = parse_proxy_request(head);
    EXPECT_EQ(std::to_string(status), text_of(request).substr(0, 3)) << head.substr(0, 200) << text_of(request);
  }
  std::string many = get;
  for (std::size_t i = 0; i < kHeadLinesMax; ++i) many += "X: 1\r\n";
  EXPECT_EQ("431", text_of(parse_proxy_request(many + "\r\n")).substr(0, 3));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// What goes on is one request to one host, whatever came in.
void expect_sound(const ProxyRequest& request, const std::string& given) {
  EXPECT_FALSE(request.url.host.empty());
  EXPECT_GT(request.url.port, 0);
  if (request.tunnel) {
    EXPECT_EQ("", request.head);
    return;
  }
  const std::string& head = request.head;
  EXPECT_EQ(head.size() - 4, head.find("\r\n\r\n")) << given;
  EXPECT_EQ(1U, count(head, "\r\nHost: ")) << given;
  EXPECT_LE(count(head, "\r\nContent-Length: "), 1U) << given;
  EXPECT_EQ(std::string::npos, head.find("ransfer-")) << given;
  EXPECT_EQ(1U, count(head, "\r\nConnection: close\r\n")) << given;
  for (std::size_t i = 0; i < head.size(); ++i) {
    const auto c = static_cast<unsigned char>(head[i]);
    const bool line_end = (c == '\r' && head[i + 1] == '\n') || (c == '\n' && head[i - 1] == '\r');
    EXPECT_TRUE(line_end || c == '\t' || (c >= 0x20 && c != 0x7F)) << given;
  }
}

TEST(RequestHeadTest, DamagedHeadsAreRefusedOrSound) {
  const std::vector<std::string> whole = {
      "CONNECT files.pythonhosted.org:443 HTTP/1.1\r\nHost: files.pythonhosted.org:443\r\nUser-Agent: pip/23.0\r\n\r\n",
      "POST http://a.example:8080/b?c=d HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: 12\r\nConnection: keep-alive, X-A\r\nX-A: b\r\n\r\n",
      "GET http://[2001:db8::1]/ HTTP/1.0\r\nAccept: text/html;q=0.9, */*\r\nCookie: a=b\r\n\r\n"};
  const std::string signs("\r\n \t:/@[]%\\.,;#?\0\x7f\xff"
                          "0aZ",
                          22);
  std::mt19937 random(20261127);
  std::size_t n_sound = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string head = whole[random() % whole.size()];
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = random() % (head.size() + 1);
      switch (random() % 5) {
        case 0:
          head.insert(at, 1, signs[random() % signs.size()]);
          break;
        case 1:
          head.erase(at, 1 + random() % 4);
          break;
        case 2:
          if (at < head.size()) head[at] = static_cast<char>(random());
          break;
        case 3:
          head.resize(at);
          break;
        default: {
          const std::string& other = whole[random() % whole.size()];
          const std::size_t from = random() % other.size();
          head.insert(at, other.substr(from, random() % 40));
        }
      }
    }
    const auto request = parse_proxy_request(head);
    if (!request) continue;
    ++n_sound;
    expect_sound(*request, head);
    if (HasFailure()) return;
  }
  EXPECT_GT(n_sound, 100U);
}

}  // namespace
}  // namespace toccata::tools
