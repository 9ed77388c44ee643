// Servers that are wrong, slow, greedy or hostile, each on loopback.
#include <gtest/gtest.h>

#include "tests/support/fake_time.h"
#include "tests/support/loopback_server.h"
#include "tests/tools/web/packed.h"
#include "tools/web/fetcher.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using testing::Connection;
using testing::FakeTime;
using testing::from_hex;
using testing::http_answer;
using testing::LoopbackServer;

AddressPolicy allowing(const LoopbackServer& server) { return AddressPolicy::with_origins({server.url()}).value_or_throw(); }

// Answers in turn; the last one again and again.
LoopbackServer saying(std::vector<std::string> answers) {
  return LoopbackServer([answers = std::move(answers), n = std::size_t{0}](const std::string&, Connection& connection) mutable {
    connection.send(answers[std::min(n++, answers.size() - 1)]);
  });
}

std::string html(const std::string& body, const std::string& more = "") { return http_answer("200 OK", "text/html", body, more); }
std::string packed(const std::string& coding, const std::string& body) { return html(body, "Content-Encoding: " + coding + "\r\n"); }

const std::string kWords = "<p>The tide comes twice a day. It rises for about six hours, and for as long it falls again; the moon decides when.</p>";

struct Page {
  std::string name;
  std::string answer;
  std::string body;  // part of what is read; "" = refused
  ErrorCode code = ErrorCode::kUnsupported;
  std::string words = {};  // part of why
};

std::ostream& operator<<(std::ostream& out, const Page& page) { return out << page.name; }

const std::vector<Page> kPages = {
    // Charsets.
    {"LatinWithoutALabel", html("<p>une \xE9t\xE9 \xE0 la plage"), "<p>une été à la plage"},
    {"LabelIsWrong", http_answer("200 OK", "text/html; charset=utf-8", "<p>une \xE9t\xE9 \xE0 la plage"), "<p>une été à la plage"},
    {"LabelIsUnknown", http_answer("200 OK", "text/html; charset=klingon", "<p>na\xC3\xAFve caf\xC3\xA9"), "<p>naïve café"},
    {"ServersDefaultLabel", http_answer("200 OK", "text/html; charset=ISO-8859-1", "<p>na\xC3\xAFve caf\xC3\xA9"), "<p>naïve café"},
    {"MetaIsRight", html("<meta charset=shift_jis><p>\x92\xAA\x82\xCC\x8A\xB1\x96\x9E"), "潮の干満"},
    {"Utf16WithMark", html(std::string("\xFF\xFE<\0p\0>\0h\0i\0", 12)), "<p>hi"},
    {"Utf16WithoutMark", html(std::string("<\0p\0>\0h\0i\0 \0t\0h\0e\0r\0e\0", 22)), "<p>hi there"},
    {"SmugglingCharset", http_answer("200 OK", "text/html; charset=iso-2022-kr", "<p>\x0Escript"), "\uFFFD"},
    {"LabelOfAPath", http_answer("200 OK", "text/html; charset=../../../etc/passwd", "<p>plain"), "<p>plain"},
    {"CutInACharacter", html("<p>caf\xC3"), "<p>caf\uFFFD"},
    {"JsonInCyrillic", http_answer("200 OK", "application/json; charset=windows-1251", "{\"a\": \"\xCC\xE8\xF0\"}"), "{\"a\": \"Мир\"}"},
    {"XmlWithDeclaration", http_answer("200 OK", "application/xml", "<?xml version=\"1.0\" encoding=\"koi8-r\"?><a>\xED\xC9\xD2</a>"), "Мир"},
    // Codings.
    {"Gzip", packed("gzip", from_hex(testing::kGzip)), "<p>packed by gzip"},
    {"XGzip", packed("x-gzip", from_hex(testing::kGzip)), "<p>packed by gzip"},
    {"Deflate", packed("deflate", from_hex(testing::kDeflate)), "<p>packed by deflate"},
    {"Brotli", packed("br", from_hex(testing::kBrotli)), "<p>packed by brotli"},
    {"Zstd", packed("zstd", from_hex(testing::kZstd)), "<p>packed by zstd"},
    {"BrotliBomb", packed("br", from_hex(testing::kBrotliBomb)), "", ErrorCode::kResourceExhausted, "grows more than 200 times"},
    {"GzipOfGzipBomb", packed("gzip, gzip", from_hex(testing::kGzipGzipBomb)), "", ErrorCode::kResourceExhausted, "grows more than 200 times"},
    {"SmallBomb", packed("br", from_hex(testing::kSmallBomb)), "", ErrorCode::kResourceExhausted, "grows more than 200 times"},
    {"GzipThatIsNone", packed("gzip", "<p>not packed at all"), "", ErrorCode::kCorrupt},
    {"GzipCutOff", packed("gzip", from_hex(testing::kGzip).substr(0, 20)), "<p>packed"},
    {"UnknownCoding", packed("rot13", "<p>cnpxrq"), "", ErrorCode::kCorrupt},
    {"ManyCodings", packed("gzip, gzip, gzip, gzip, gzip, gzip, gzip", "x"), "", ErrorCode::kCorrupt},
    // What is no page.
    {"NoTypeHtml", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<!DOCTYPE html><title>T</title>" + kWords, "<p>The tide"},
    {"NoTypeBinary", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string("\x7F" "ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\x3E\0\1\0\0\0\x20\x1B", 26), "", ErrorCode::kUnsupported, "no text"},
    {"BinaryCalledText", http_answer("200 OK", "text/plain", std::string("PK\3\4\0\0\0\0\x9C\xA1\0\0\0\x7F\1\2\3\4\5\6\7", 21)), "", ErrorCode::kUnsupported, "no text"},
    {"Picture", http_answer("200 OK", "image/png", "\x89PNG"), "", ErrorCode::kUnsupported, "image/png"},
    {"Empty", html(""), "", ErrorCode::kUnsupported, "the page is empty"},
    {"EmptyText", http_answer("200 OK", "text/plain", ""), "", ErrorCode::kUnsupported, "the page is empty"},
    {"NoContent", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "", ErrorCode::kUnsupported, "the page is empty"},
    {"ScriptOnly", html("<!doctype html><title>App</title><div id=\"root\"></div><script src=/a.js></script><noscript>You need to enable JavaScript to run this app.</noscript>"), "",
     ErrorCode::kUnsupported, "built by JavaScript"},
    {"ScriptShell", html("<div id=\"__next\">Loading...</div><script>" + std::string(50'000, 'x') + "</script>"), "", ErrorCode::kUnsupported, "built by JavaScript"},
    {"ShortPageWithAScript", html("<p>Hello there.<script src=/statistics.js></script>"), "Hello there."},
    {"LongPageWithAnAppRoot", html("<div id=\"root\">" + kWords + kWords + "</div><script src=/a.js></script>"), "The tide"},
    {"Challenge", html("<title>Just a moment...</title><script src=\"/cdn-cgi/challenge-platform/h/b/orchestrate\"></script><p>Checking your browser"), "",
     ErrorCode::kUnsupported, "challenge"},
    {"ChallengeWith403", http_answer("403 Forbidden", "text/html", "<title>Just a moment...</title>", "cf-mitigated: challenge\r\n"), "", ErrorCode::kUnsupported, "HTTP 403; nothing readable"},
    {"ChallengeWith503", http_answer("503 X", "text/html", "<form id=\"cf-chl-form\">", "Retry-After: 900\r\n"), "", ErrorCode::kUnsupported, "challenge"},
    {"LogIn", html("<h1>Sign in</h1><form><input name=u><input TYPE='password' name=p></form><a href=/forgot>Forgot?</a>"), "", ErrorCode::kUnsupported, "log-in form"},
    {"NewsWithALogInBox", html("<form><input type=password></form>" + kWords + kWords + kWords + kWords + kWords), "The tide"},
    {"LogInWith401", http_answer("401 Unauthorized", "text/html", "no"), "", ErrorCode::kUnavailable, "log in"},
    {"NoscriptOnly", html("<script>1</script><noscript>" + kWords + kWords + kWords + kWords + kWords + "</noscript>"), "The tide"},
    {"NeverClosedScript", html("<script>" + std::string(1000, '<')), "", ErrorCode::kUnsupported, "built by JavaScript"},
    {"NeverClosedComment", html("<!--" + kWords), "", ErrorCode::kUnsupported, "empty"},
    {"ManyOpenBrackets", html(std::string(200'000, '<') + kWords), "The tide"},
    // HTTP itself.
    {"Gone", http_answer("410 Gone", "text/html", "x"), "", ErrorCode::kNotFound, "HTTP 410"},
    {"Teapot", http_answer("418 I am a teapot", "text/html", "x"), "", ErrorCode::kUnavailable, "HTTP 418"},
    {"NoHttp", "SSH-2.0-OpenSSH_9.2\r\n", "", ErrorCode::kCorrupt},
    {"SaysNothing", "", "", ErrorCode::kCorrupt},
    {"CutShort", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<p>a", "", ErrorCode::kCorrupt},
    {"BadChunk", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n<p>", "", ErrorCode::kUnavailable},
    {"EndlessHeaders", "HTTP/1.1 200 OK\r\n" + [] {
       std::string lines;
       for (int i = 0; i < 5000; ++i) lines += "X-" + std::to_string(i) + ": " + std::string(40, 'x') + "\r\n";
       return lines;
     }(), "", ErrorCode::kResourceExhausted, "headers"},
    {"LengthIsALie", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999999999999\r\nConnection: close\r\n\r\n<p>a", "", ErrorCode::kCorrupt},
    {"RedirectWithoutATarget", http_answer("302 Found", "text/html", "x"), "", ErrorCode::kUnavailable, "HTTP 302"},
    {"RedirectToFile", http_answer("302 Found", "text/html", "", "Location: file:///etc/passwd\r\n"), "", ErrorCode::kInvalidArgument},
    {"RedirectToMetadata", http_answer("302 Found", "text/html", "", "Location: http://169.254.169.254/latest/\r\n"), "", ErrorCode::kPermissionDenied},
    {"RedirectToALogInName", http_answer("302 Found", "text/html", "", "Location: http://user:pw@example.org/\r\n"), "", ErrorCode::kInvalidArgument},
    {"RefreshToMetadata", html("<meta http-equiv=refresh content='0;url=http://169.254.169.254/'>"), "", ErrorCode::kPermissionDenied},
    {"RefreshToScript", html("<meta http-equiv=refresh content='0;url=javascript:alert(1)'>"), "", ErrorCode::kInvalidArgument},
    {"RefreshLoop", html("<meta http-equiv=refresh content='0; URL=\"/again?a&amp;b\"'>"), "", ErrorCode::kUnsupported, "empty"},
    {"RefreshOfTheNews", html("<meta http-equiv=refresh content=300>" + kWords), "The tide"},
};

class NastyPageTest : public ::testing::TestWithParam<Page> {};

TEST_P(NastyPageTest, IsReadOrRefusedInWords) {
  auto server = saying({GetParam().answer});
  FakeTime time;
  Fetcher fetcher(allowing(server), {}, {}, {}, time.clock());
  const auto page = fetcher.fetch(server.url("/"));
  if (!GetParam().body.empty()) {
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_NE(page->body.find(GetParam().body), std::string::npos) << page->body.substr(0, 300);
    return;
  }
  ASSERT_FALSE(page) << page->body.substr(0, 300);
  EXPECT_EQ(page.error().code, GetParam().code) << page.error().message;
  EXPECT_NE(page.error().message.find(GetParam().words), std::string::npos) << page.error().message;
}

INSTANTIATE_TEST_SUITE_P(Each, NastyPageTest, ::testing::ValuesIn(kPages), [](const auto& p) { return p.param.name; });

TEST(FetcherCodingTest, AsksForWhatItCanUnpack) {
  auto server = saying({html(kWords)});
  ASSERT_TRUE(Fetcher(allowing(server)).fetch(server.url("/")));
  EXPECT_NE(server.requests()[0].find("Accept-Encoding: "), std::string::npos);
  EXPECT_NE(server.requests()[0].find("gzip"), std::string::npos);
}

TEST(FetcherCodingTest, TheCapCountsWhatComesOut) {
  auto server = saying({packed("br", from_hex(testing::kSmallBomb))});
  Fetcher fetcher(allowing(server), {.body_bytes_max = 500'000, .expansion_max = 1'000'000});
  const auto page = fetcher.fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(page.error().message.find("500000 bytes of body"), std::string::npos) << page.error().message;
}

TEST(FetcherCodingTest, AnEndlessPackedBodyEnds) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
    // Stored blocks: as many bytes out as in.
    connection.send(std::string("\x1F\x8B\x08\0\0\0\0\0\0\3", 10));
    while (connection.is_open()) connection.send(std::string("\0\x10\x27\xEF\xD8", 5) + std::string(10'000, 'a'));
  });
  const auto page = Fetcher(allowing(server), {.body_bytes_max = 200'000}).fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kResourceExhausted);
}

TEST(FetcherTimeTest, AStalledBodyIsLeft) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n<p>");
    connection.stall();
  });
  const auto page = Fetcher(allowing(server), {.idle = 50ms}).fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kTimeout);
}

TEST(FetcherTimeTest, AStalledHeadIsLeft) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Ty");
    connection.stall();
  });
  const auto page = Fetcher(allowing(server), {.idle = 50ms}).fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kTimeout);
}

TEST(FetcherTimeTest, DrippingDoesNotOutlastTheTotal) {
  LoopbackServer server([](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
    while (connection.is_open()) {
      connection.send("a");
      std::this_thread::sleep_for(5ms);
    }
  });
  const auto page = Fetcher(allowing(server), {.total = 150ms}).fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kTimeout);
}

const std::string kBusy = http_answer("503 Service Unavailable", "text/plain", "busy", "Retry-After: 3\r\n");

TEST(FetcherRetryTest, AShortPauseIsKeptAndThePageRead) {
  auto server = saying({kBusy, http_answer("429 X", "text/plain", "", "Retry-After: 2\r\n"), html(kWords)});
  FakeTime time;
  ASSERT_TRUE(Fetcher(allowing(server), {}, {}, {}, time.clock()).fetch(server.url("/")));
  EXPECT_EQ(time.slept, (std::vector<std::chrono::milliseconds>{3s, 2s}));
}

TEST(FetcherRetryTest, ThereAreOnlySoMany) {
  auto server = saying({kBusy});
  FakeTime time;
  const auto page = Fetcher(allowing(server), {}, {}, {}, time.clock()).fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_NE(page.error().message.find("HTTP 503: try again after 3 seconds"), std::string::npos) << page.error().message;
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(FetcherRetryTest, ALongPauseIsToldAndKept) {
  auto server = saying({http_answer("429 X", "text/plain", "", "Retry-After: 120\r\n"), html(kWords)});
  FakeTime time;
  Fetcher fetcher(allowing(server), {}, {}, {}, time.clock());
  const auto page = fetcher.fetch(server.url("/"));
  ASSERT_FALSE(page);
  EXPECT_NE(page.error().message.find("after 120 seconds"), std::string::npos) << page.error().message;
  const auto early = fetcher.fetch(server.url("/other"));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(server.requests().size(), 1U);
  time.now += 121s;
  EXPECT_TRUE(fetcher.fetch(server.url("/other")));
}

TEST(FetcherRetryTest, AGatewaysHiccupIsForgivenOnceOrTwice) {
  auto server = saying({http_answer("502 Bad Gateway", "text/html", "x"), html(kWords)});
  FakeTime time;
  EXPECT_TRUE(Fetcher(allowing(server), {}, {}, {}, time.clock()).fetch(server.url("/")));
  EXPECT_EQ(time.slept, std::vector<std::chrono::milliseconds>{1s});
}

TEST(FetcherRetryTest, NoPauseOutlastsTheTotal) {
  auto server = saying({kBusy, html(kWords)});
  FakeTime time;
  EXPECT_FALSE(Fetcher(allowing(server), {.total = 2s}, {}, {}, time.clock()).fetch(server.url("/")));
  EXPECT_TRUE(time.slept.empty());
}

TEST(FetcherMannersTest, PagesOfOneHostKeepTheirDistance) {
  auto server = saying({html(kWords)});
  auto other = saying({html(kWords)});
  FakeTime time;
  Fetcher fetcher(AddressPolicy::with_origins({server.url(), other.url()}).value_or_throw(), {}, {}, {}, time.clock());
  EXPECT_TRUE(fetcher.fetch(server.url("/1")));
  EXPECT_TRUE(fetcher.fetch(other.url("/1")));
  EXPECT_TRUE(time.slept.empty());
  EXPECT_TRUE(fetcher.fetch(server.url("/2")));
  EXPECT_EQ(time.slept, std::vector<std::chrono::milliseconds>{250ms});
}

TEST(FetcherRefreshTest, APageThatSendsOnIsFollowed) {
  auto server = saying({html("<META HTTP-EQUIV=\"Refresh\" CONTENT=\"0; url=/New?a=1&amp;b=2\"><p>Moved."), html(kWords)});
  const auto page = Fetcher(allowing(server)).fetch(server.url("/old"));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->url, server.url("/New?a=1&b=2"));
}

TEST(FetcherCookieTest, ComeBackWithinTheSession) {
  auto server = saying({http_answer("302 Found", "text/plain", "", "Location: /in\r\nSet-Cookie: sid=abc; HttpOnly; Path=/\r\nSet-Cookie: dark=1\r\n"), html(kWords)});
  Fetcher fetcher(allowing(server));
  ASSERT_TRUE(fetcher.fetch(server.url("/")));
  EXPECT_EQ(server.requests()[0].find("Cookie:"), std::string::npos);
  EXPECT_NE(server.requests()[1].find("\r\nCookie: sid=abc; dark=1\r\n"), std::string::npos) << server.requests()[1];
  ASSERT_TRUE(Fetcher(allowing(server)).fetch(server.url("/")));
  EXPECT_EQ(server.requests()[2].find("Cookie:"), std::string::npos) << "another session has none";
}

// A proxy: what it was asked for, and the page.
TEST(FetcherProxyTest, ANameIsJudgedHereAndPinned) {
  auto proxy = saying({"HTTP/1.1 200 Connection established\r\n\r\n" + html(kWords)});
  const ProxyRules rules = ProxyRules::make(proxy.url(), proxy.url(), "").value_or_throw();
  // The tunnel's inside is the same connection: this server answers both at once.
  LoopbackServer tunnel([&](const std::string&, Connection& connection) {
    connection.send("HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n");
    connection.read_request();
    connection.send(html(kWords));
  });
  const ProxyRules through = ProxyRules::make(tunnel.url(), "", "").value_or_throw();
  Fetcher fetcher({}, {}, {"page.example:80:93.184.216.34"}, through);
  const auto page = fetcher.fetch("http://page.example/a");
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_TRUE(tunnel.requests()[0].starts_with("CONNECT 93.184.216.34:80 HTTP/1.1\r\n")) << tunnel.requests()[0];

  for (const std::string address : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"}) {
    Fetcher rebound({}, {}, {"page.example:80:" + address}, rules);
    const auto refused = rebound.fetch("http://page.example/a");
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied) << refused.error().message;
  }
  for (const std::string url : {"http://127.0.0.1/", "http://10.0.0.1/", "http://metadata.internal/", "http://localhost:8080/"}) {
    EXPECT_FALSE(Fetcher({}, {}, {}, rules).fetch(url)) << url;
  }
  EXPECT_TRUE(proxy.requests().empty());
}

TEST(FetcherProxyTest, ANameWithoutAnAddressHereNeedsTheUsersWord) {
  auto proxy = saying({html(kWords)});
  ProxyRules rules = ProxyRules::make(proxy.url(), "", "").value_or_throw();
  const auto refused = Fetcher({}, {}, {}, rules).fetch("http://nowhere.invalid/a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied) << refused.error().message;
  EXPECT_TRUE(proxy.requests().empty());
  rules.trust_names = true;
  EXPECT_TRUE(Fetcher({}, {}, {}, rules).fetch("http://nowhere.invalid/a"));
  EXPECT_TRUE(proxy.requests()[0].starts_with("GET http://nowhere.invalid/a HTTP/1.1\r\n")) << proxy.requests()[0];
}

TEST(FetcherProxyTest, ThisMachineIsAskedDirectly) {
  auto server = saying({html(kWords)});
  const ProxyRules rules = ProxyRules::make("http://127.0.0.1:1", "", "").value_or_throw();
  EXPECT_TRUE(Fetcher(allowing(server), {}, {}, rules).fetch(server.url("/")));
}

}  // namespace
}  // namespace toccata::tools
