#include "tools/web/json_search.h"

#include <gtest/gtest.h>

#include <ctime>

#include "tests/support/fake_time.h"
#include "tests/support/loopback_server.h"
#include "tools/web/search_services.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using testing::Connection;
using testing::FakeTime;
using testing::http_answer;
using testing::LoopbackServer;

constexpr const char* kKey = "secret+key/1";

// Answers in turn; the last one again and again.
LoopbackServer saying(std::vector<std::string> answers) {
  return LoopbackServer([answers = std::move(answers), n = std::size_t{0}](const std::string&, Connection& connection) mutable {
    connection.send(answers[std::min(n++, answers.size() - 1)]);
  });
}

std::string json_answer(const std::string& body) { return http_answer("200 OK", "application/json", body); }

SearchShape brave_at(const LoopbackServer& server) { return choose_search("brave=" + server.url()).value_or_throw(); }

const std::string kEmpty = json_answer(R"({"web": {"results": []}})");

struct Failure {
  std::string name;
  std::string answer;
  ErrorCode code;
  std::string words;  // part of what the model is told
};

std::ostream& operator<<(std::ostream& out, const Failure& failure) { return out << failure.name; }

const std::vector<Failure> kFailures = {
    {"WrongKey", http_answer("401 Unauthorized", "application/json", R"({"type": "ErrorResponse", "error": {"detail": "bad token"}})"),
     ErrorCode::kPermissionDenied, "brave refused its API key; only the user can change that (HTTP 401): bad token; open a URL you know instead"},
    {"Forbidden", http_answer("403 Forbidden", "text/html", "<h1>no"), ErrorCode::kPermissionDenied, "refused its API key"},
    {"NoMoney", http_answer("402 Payment Required", "application/json", "{}"), ErrorCode::kResourceExhausted, "no quota left"},
    {"PlanUsedUp", http_answer("432 X", "application/json", R"({"detail": {"error": "plan limit"}})"), ErrorCode::kResourceExhausted, "plan limit"},
    {"TooMany", http_answer("429 Too Many Requests", "application/json", "{}"), ErrorCode::kResourceExhausted, "search again after 30 seconds"},
    {"TooManyForAnHour", http_answer("429 Too Many Requests", "text/plain", "", "Retry-After: 3600\r\n"), ErrorCode::kResourceExhausted, "after 3600 seconds"},
    {"OutOfOrder", http_answer("500 Internal Server Error", "text/html", "<html>trace"), ErrorCode::kUnavailable, "out of order; try again later (HTTP 500)"},
    {"BadQuery", http_answer("422 Unprocessable", "application/json", R"({"message": "q too long"})"), ErrorCode::kUnavailable, "try other words (HTTP 422): q too long"},
    {"Missing", http_answer("404 Not Found", "text/plain", ""), ErrorCode::kUnavailable, "gave no results (HTTP 404)"},
    {"Redirect", http_answer("302 Found", "text/plain", "", "Location: http://127.0.0.1:1/steal\r\n"), ErrorCode::kUnavailable, "redirect, which is not followed"},
    {"Html", http_answer("200 OK", "text/html; charset=utf-8", "<html>captcha"), ErrorCode::kCorrupt, "not JSON (text/html; charset=utf-8)"},
    {"Truncated", json_answer(R"({"web": {"results": [{"url": "https://a.ex)"), ErrorCode::kCorrupt, "not JSON"},
    {"CutOff", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"web\"", ErrorCode::kCorrupt, "cannot be reached"},
    {"NoHttp", "I am no web server\r\n\r\n", ErrorCode::kCorrupt, "cannot be reached"},
    {"Nothing", "", ErrorCode::kCorrupt, "cannot be reached"},
    {"EmptyBody", json_answer(""), ErrorCode::kCorrupt, "not JSON"},
    {"Deep", json_answer(std::string(100'000, '[')), ErrorCode::kCorrupt, "not JSON"},
    {"DeepAndWhole", json_answer(std::string(50'000, '[') + std::string(50'000, ']')), ErrorCode::kCorrupt, "not JSON"},
    {"NoObject", json_answer("[1, 2]"), ErrorCode::kCorrupt, "no list at /web/results"},
    {"AString", json_answer("\"results\""), ErrorCode::kCorrupt, "no list at /web/results"},
    {"Null", json_answer("null"), ErrorCode::kCorrupt, "no list at /web/results"},
    {"ErrorIn200", json_answer(R"({"error": {"message": "<b>index</b> offline"}})"), ErrorCode::kCorrupt, "it answered: index offline"},
    {"KeyEchoed", http_answer("401 X", "application/json", R"({"message": "unknown key secret+key/1 or secret%2Bkey%2F1"})"), ErrorCode::kPermissionDenied,
     "unknown key [key] or [key]"},
    {"Giant", json_answer("{\"web\": \"" + std::string(std::size_t{5} << 20, 'x') + "\"}"), ErrorCode::kResourceExhausted, "more than 4 MiB"},
};

class SearchFailureTest : public ::testing::TestWithParam<Failure> {};

TEST_P(SearchFailureTest, IsToldInWordsThatHelp) {
  auto server = saying({GetParam().answer});
  FakeTime time;
  JsonSearch search(brave_at(server), kKey, {}, {}, time.clock());
  const auto hits = search.search("q", 20, {});
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().code, GetParam().code) << hits.error().message;
  EXPECT_NE(hits.error().message.find(GetParam().words), std::string::npos) << hits.error().message;
  EXPECT_TRUE(hits.error().message.starts_with("brave ")) << hits.error().message;
  EXPECT_EQ(hits.error().message.find(kKey), std::string::npos);
  EXPECT_LT(hits.error().message.size(), 1000U);
}

INSTANTIATE_TEST_SUITE_P(Each, SearchFailureTest, ::testing::ValuesIn(kFailures), [](const auto& p) { return p.param.name; });

TEST(JsonSearchTest, WithoutAKeyNobodyIsAsked) {
  auto server = saying({kEmpty});
  JsonSearch search(brave_at(server), "");
  const auto hits = search.search("q", 20, {});
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().code, ErrorCode::kPermissionDenied);
  EXPECT_NE(hits.error().message.find("BRAVE_API_KEY"), std::string::npos);
  EXPECT_TRUE(server.requests().empty());
}

TEST(JsonSearchTest, AServiceThatIsNotThereIsToldSo) {
  int port = 0;
  {
    auto server = saying({kEmpty});
    port = server.port();
  }
  SearchShape shape = choose_search("searxng=http://127.0.0.1:" + std::to_string(port)).value_or_throw();
  const auto hits = JsonSearch(shape, "").search("q", 20, {});
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(hits.error().message.find("searxng cannot be reached"), std::string::npos) << hits.error().message;
}

TEST(JsonSearchTest, ASilentServiceIsLeft) {
  LoopbackServer server([](const std::string&, Connection& connection) { connection.stall(); });
  const auto hits = JsonSearch(brave_at(server), kKey, {}, {.idle = 50ms}).search("q", 20, {});
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().code, ErrorCode::kTimeout);
}

TEST(JsonSearchTest, AStopEndsTheWaitForAnAnswer) {
  std::stop_source stop;
  LoopbackServer server([&](const std::string&, Connection& connection) {
    stop.request_stop();
    connection.stall();
  });
  const auto hits = JsonSearch(brave_at(server), kKey).search("q", 20, stop.get_token());
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().code, ErrorCode::kCancelled);
}

TEST(JsonSearchTest, AShortRetryAfterIsWaitedForOnce) {
  const std::string busy = http_answer("429 Too Many Requests", "application/json", "{}", "Retry-After: 4\r\n");
  FakeTime time;
  {
    auto server = saying({busy, kEmpty});
    EXPECT_TRUE(JsonSearch(brave_at(server), kKey, {}, {}, time.clock()).search("q", 20, {}));
    EXPECT_EQ(server.requests().size(), 2U);
    EXPECT_EQ(time.slept, std::vector<std::chrono::milliseconds>{4s});
  }
  auto server = saying({busy});
  const auto hits = JsonSearch(brave_at(server), kKey, {}, {}, time.clock()).search("q", 20, {});
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(JsonSearchTest, APauseThatWasAskedForIsKept) {
  auto server = saying({http_answer("429 Too Many Requests", "text/plain", "", "Retry-After: 60\r\n"), kEmpty});
  FakeTime time;
  JsonSearch search(brave_at(server), kKey, {}, {}, time.clock());
  EXPECT_FALSE(search.search("q", 20, {}));
  time.now += 20s;
  const auto early = search.search("q", 20, {});
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("search again after 40 seconds"), std::string::npos) << early.error().message;
  EXPECT_EQ(server.requests().size(), 1U);
  time.now += 41s;
  EXPECT_TRUE(search.search("q", 20, {}));
}

TEST(JsonSearchTest, RequestsKeepTheirDistance) {
  auto server = saying({kEmpty});
  FakeTime time;
  JsonSearch search(brave_at(server), kKey, {}, {}, time.clock());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(search.search("q", 20, {}));
  EXPECT_EQ(time.slept, (std::vector<std::chrono::milliseconds>{1100ms, 1100ms}));
  time.now += 5s;
  EXPECT_TRUE(search.search("q", 20, {}));
  EXPECT_EQ(time.slept.size(), 2U);
}

TEST(JsonSearchTest, HostileResultsAreCleanedOrLeftOut) {
  auto server = saying({json_answer(R"J({"web": {"results": [
      {"url": "javascript:alert(1)", "title": "script"}, {"url": "data:text/html,x", "title": "data"}, {"url": "//no.scheme"},
      {"url": "http://user:pw@a.example/", "title": "user"}, {"url": 7, "title": "number"}, {"title": "none"}, "text", null, [], 3, {},
      {"url": "http://a.example\\@b.example/"}, {"url": "https://a.example/\u0000x"}, {"url": "  https://blank.example/"},
      {"url": "https://ok.example/p?q=1#frag", "title": {"a": 1}, "description": ["x", 7, null, "y"]},
      {"url": "https://ok.example/【0†x】", "title": "<script>steal()</script><b>Bold</b> \u202e &lt;i&gt;", "description": 9},
      {"url": "https://ok.example/long", "title": ")J" + std::string(5000, 'A') + R"J(", "description": ")J" + std::string(9000, 'b') + R"J("}]}})J")});
  const auto hits = JsonSearch(brave_at(server), kKey).search("q", 20, {});
  ASSERT_TRUE(hits) << hits.error().message;
  ASSERT_EQ(hits->size(), 3U);
  EXPECT_EQ((*hits)[0], (SearchHit{"https://ok.example/p?q=1", "", "x ... y"}));
  EXPECT_EQ((*hits)[1].url, "https://ok.example/%E3%80%900%E2%80%A0x%E3%80%91");
  EXPECT_EQ((*hits)[1].title, "Bold \u202e <i>");
  EXPECT_EQ((*hits)[1].summary, "");
  EXPECT_EQ((*hits)[2].title.size(), 300U);
  EXPECT_EQ((*hits)[2].summary.size(), 1000U);
}

TEST(JsonSearchTest, NoMoreResultsThanAskedFor) {
  std::string list;
  for (int i = 0; i < 500; ++i) list += std::string(i == 0 ? "" : ",") + R"({"url": "https://a.example/)" + std::to_string(i) + "\"}";
  auto server = saying({json_answer(R"({"web": {"results": [)" + list + "]}}")});
  EXPECT_EQ(JsonSearch(brave_at(server), kKey).search("q", 20, {}).value_or_throw().size(), 20U);
}

TEST(JsonSearchTest, AKeyThatAResultEchoesIsHidden) {
  auto server = saying({json_answer(R"({"web": {"results": [{"url": "https://a.example/?k=secret%2Bkey%2F1", "title": "secret+key/1"}]}})")});
  const auto hits = JsonSearch(brave_at(server), kKey).search("q", 20, {}).value_or_throw();
  EXPECT_EQ(hits.at(0), (SearchHit{"https://a.example/?k=[key]", "[key]", ""}));
}

TEST(JsonSearchTest, NothingFoundIsNoError) {
  auto server = saying({json_answer(R"({"type": "search", "query": {"original": "q"}})")});
  EXPECT_EQ(JsonSearch(brave_at(server), kKey).search("q", 20, {}).value_or_throw().size(), 0U);
}

TEST(RetryAfterTest, SecondsAndDatesAreUnderstood) {
  const auto now = std::chrono::system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(retry_after("120", now), 120s);
  EXPECT_EQ(retry_after(" 7 ", now), 7s);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), 60s);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), 0s);
  EXPECT_EQ(retry_after("99999999999999999999", now), 24h);
  EXPECT_EQ(retry_after("Sun, 06 Nov 2994 08:00:00 GMT", now), 24h);
  for (const char* bad : {"", "-5", "soon", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT and more"}) EXPECT_EQ(retry_after(bad, now), std::nullopt) << bad;
}

}  // namespace
}  // namespace toccata::tools
