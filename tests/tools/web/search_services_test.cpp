// Each service asked through a server of our own: what it is sent, and what is made of an answer in its shape.
#include <gtest/gtest.h>

#include "tests/support/loopback_server.h"
#include "tools/web/json_search.h"
#include "tools/web/search_services.h"

namespace toccata::tools {
namespace {

using testing::Connection;
using testing::http_answer;
using testing::LoopbackServer;

constexpr const char* kKey = "k-3y+/=7";

struct Service {
  std::string name;
  std::string request_line;            // of the query `tide "tables" & {key}`, 5 results
  std::vector<std::string> headers;    // one a line, as sent
  std::string body;                    // "" = none
  std::string answer;
  std::vector<SearchHit> hits;
};

const std::vector<Service> kServices = {
    {"searxng", "GET /search?q=tide%20%22tables%22%20%26%20%7Bkey%7D&format=json HTTP/1.1", {"Accept: application/json"}, "",
     R"({"query": "tide", "number_of_results": 0, "answers": [], "infoboxes": [], "unresponsive_engines": [["x", "timeout"]],
         "results": [{"url": "https://tides.example/a", "title": "Tides & moons", "content": "High water <b>twice</b> a day", "engine": "x",
                      "parsed_url": ["https", "tides.example", "/a", "", "", ""], "engines": ["x"], "score": 1.0, "category": "general"},
                     {"url": "https://tides.example/b", "title": "No content"}]})",
     {{"https://tides.example/a", "Tides & moons", "High water twice a day"}, {"https://tides.example/b", "No content", ""}}},
    {"mediawiki",
     "GET ?action=query&list=search&srsearch=tide%20%22tables%22%20%26%20%7Bkey%7D&srlimit=5&meta=siteinfo&siprop=general&format=json&formatversion=2",
     {"User-Agent: Toccata"}, "",
     R"({"batchcomplete": true, "query": {"general": {"server": "//wiki.example", "articlepath": "/wiki/$1", "sitename": "W"},
         "searchinfo": {"totalhits": 2}, "search": [
           {"ns": 0, "title": "Tide table", "pageid": 7, "snippet": "A <span class=\"searchmatch\">tide</span> table &amp; more", "size": 9},
           {"ns": 0, "title": "Who? #1 100%", "pageid": 8, "snippet": ""}]}})",
     {{"http://wiki.example/wiki/Tide_table", "Tide table", "A tide table & more"},
      {"http://wiki.example/wiki/Who%3F_%231_100%25", "Who? #1 100%", ""}}},
    {"brave", "GET /res/v1/web/search?q=tide%20%22tables%22%20%26%20%7Bkey%7D&count=5&text_decorations=false HTTP/1.1",
     {"X-Subscription-Token: k-3y+/=7"}, "",
     R"({"type": "search", "query": {"original": "tide"}, "web": {"type": "search", "results": [
          {"type": "search_result", "title": "Tide tables", "url": "https://sea.example/", "description": "<strong>Tide</strong> tables &#39;26", "profile": {}},
          {"type": "search_result", "title": "Extra", "url": "https://sea.example/x", "extra_snippets": ["one", "two"]}]}})",
     {{"https://sea.example/", "Tide tables", "Tide tables '26"}, {"https://sea.example/x", "Extra", "one ... two"}}},
    {"exa", "POST /search HTTP/1.1", {"x-api-key: k-3y+/=7", "Content-Type: application/json"},
     R"({"query": "tide \"tables\" & {key}", "numResults": 5, "contents": {"highlights": true, "summary": true}})",
     R"({"requestId": "r", "resolvedSearchType": "neural", "results": [
          {"id": "1", "title": "Moon", "url": "https://moon.example/", "publishedDate": null, "author": null, "score": 0.3, "summary": "The moon pulls."},
          {"id": "2", "title": null, "url": "https://moon.example/2", "highlights": ["a", "b"], "highlightScores": [0.1, 0.2]}], "costDollars": {"total": 0.005}})",
     {{"https://moon.example/", "Moon", "The moon pulls."}, {"https://moon.example/2", "", "a ... b"}}},
    {"jina", "GET /?q=tide%20%22tables%22%20%26%20%7Bkey%7D&num=5 HTTP/1.1",
     {"Authorization: Bearer k-3y+/=7", "X-Respond-With: no-content", "Accept: application/json"}, "",
     R"({"code": 200, "status": 20000, "data": [{"title": "Ebb", "url": "https://ebb.example/", "description": "Ebb and flow", "content": "", "usage": {"tokens": 1}}]})",
     {{"https://ebb.example/", "Ebb", "Ebb and flow"}}},
    {"kagi", "GET /api/v0/search?q=tide%20%22tables%22%20%26%20%7Bkey%7D&limit=5 HTTP/1.1", {"Authorization: Bot k-3y+/=7"}, "",
     R"({"meta": {"id": "m", "node": "eu", "ms": 12}, "data": [
          {"t": 0, "rank": 1, "url": "https://surf.example/", "title": "Surf", "snippet": "Waves &amp; wind", "published": "2026-01-01T00:00:00Z"},
          {"t": 1, "list": ["tide pods", "tide app"]}]})",
     {{"https://surf.example/", "Surf", "Waves & wind"}}},
    {"serper", "POST /search HTTP/1.1", {"X-API-KEY: k-3y+/=7"}, R"({"q": "tide \"tables\" & {key}", "num": 5})",
     R"({"searchParameters": {"q": "tide", "type": "search"}, "organic": [
          {"title": "Harbour", "link": "https://harbour.example/", "snippet": "Times of low water", "position": 1}], "peopleAlsoAsk": [], "credits": 1})",
     {{"https://harbour.example/", "Harbour", "Times of low water"}}},
    {"tavily", "POST /search HTTP/1.1", {"Authorization: Bearer k-3y+/=7"}, R"({"query": "tide \"tables\" & {key}", "max_results": 5})",
     R"({"query": "tide", "answer": null, "images": [], "results": [
          {"title": "Coast", "url": "https://coast.example/", "content": "The coast today", "score": 0.9, "raw_content": null}], "response_time": 1.2})",
     {{"https://coast.example/", "Coast", "The coast today"}}},
    {"you", "GET /v1/search?query=tide%20%22tables%22%20%26%20%7Bkey%7D&count=5 HTTP/1.1", {"X-API-Key: k-3y+/=7"}, "",
     R"({"results": {"web": [{"url": "https://bay.example/", "title": "Bay", "description": "d", "snippets": ["s1", "s2"], "page_age": "2026"}],
                     "news": [{"title": "Flood", "description": "News of it", "url": "https://news.example/"}]}, "metadata": {"latency": 0.4}})",
     {{"https://bay.example/", "Bay", "s1 ... s2"}, {"https://news.example/", "Flood", "News of it"}}},
};

class SearchServiceTest : public ::testing::TestWithParam<Service> {};

TEST_P(SearchServiceTest, IsAskedAndReadAsDocumented) {
  const Service& service = GetParam();
  LoopbackServer server([&](const std::string&, Connection& connection) {
    connection.send(http_answer("200 OK", "application/json", service.answer));
  });
  const SearchShape shape = choose_search(service.name + "=" + server.url()).value_or_throw();
  JsonSearch search(shape, shape.key_variable.empty() ? "" : kKey);
  const auto hits = search.search(R"(tide "tables" & {key})", 5, {});
  ASSERT_TRUE(hits) << hits.error().message;
  EXPECT_EQ(*hits, service.hits);
  ASSERT_EQ(server.requests().size(), 1U);
  const std::string request = server.requests()[0];
  // A base without a path: the address of a wiki ends in api.php, here in nothing.
  const std::string line = request.substr(0, request.find("\r\n"));
  std::string wanted = service.request_line;
  if (service.name == "mediawiki") wanted.insert(4, "/"), wanted += " HTTP/1.1";
  EXPECT_EQ(line, wanted);
  for (const std::string& header : service.headers) EXPECT_NE(request.find("\r\n" + header + "\r\n"), std::string::npos) << header << "\n" << request;
  EXPECT_EQ(request.substr(request.find("\r\n\r\n") + 4), service.body);
  EXPECT_EQ(request.find("Expect:"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Known, SearchServiceTest, ::testing::ValuesIn(kServices), [](const auto& p) { return p.param.name; });

TEST(SearchServicesTest, EveryKnownOneIsTestedAndSound) {
  ASSERT_EQ(known_searches().size(), kServices.size());
  for (const SearchShape& shape : known_searches()) {
    if (shape.name == "searxng") continue;  // has no address of its own
    const auto sound = check_shape(shape);
    EXPECT_TRUE(sound) << sound.error().message;
    EXPECT_TRUE(shape.base.starts_with("https://")) << shape.name;
  }
}

TEST(SearchServicesTest, WhatIsChosenWronglyIsExplained) {
  const auto message = [](const std::string& spec) {
    const auto chosen = choose_search(spec);
    return chosen ? std::string("fine") : chosen.error().message;
  };
  EXPECT_EQ(message("brave"), "fine");
  EXPECT_EQ(message("searxng=https://s.example/searx/"), "fine");
  EXPECT_EQ(choose_search("searxng=https://s.example/searx/").value_or_throw().base, "https://s.example/searx");
  EXPECT_NE(message("altavista").find("known: searxng, mediawiki, brave"), std::string::npos) << message("altavista");
  EXPECT_NE(message("searxng").find("searxng=http://"), std::string::npos);
  EXPECT_NE(message("searxng=").find("is no URL"), std::string::npos);
  EXPECT_NE(message("searxng=ftp://a.example").find("is no URL"), std::string::npos);
  EXPECT_NE(message("searxng=https://user:pass@a.example").find("is no URL"), std::string::npos);
  EXPECT_NE(message("searxng=https://a.example/?key=secret").find("keys go into"), std::string::npos);
}

SearchShape own_shape() {
  SearchShape shape;
  shape.name = "own";
  shape.path = "https://own.example/find?q={query}&n={count}";
  shape.lists = {"/items"};
  shape.link = "/href";
  return shape;
}

TEST(SearchShapeTest, ASoundOneOfTheUserIsTaken) {
  EXPECT_TRUE(check_shape(own_shape()));
  EXPECT_EQ(choose_search("own", {own_shape()}).value_or_throw().name, "own");
}

TEST(SearchShapeTest, DefectsAreNamed) {
  const auto message = [](const std::function<void(SearchShape&)>& change) {
    SearchShape shape = own_shape();
    change(shape);
    const auto sound = check_shape(shape);
    return sound ? std::string("fine") : sound.error().message;
  };
  EXPECT_NE(message([](SearchShape& s) { s.method = "DELETE"; }).find("expected GET or POST"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.path = "https://{query}.example/"; }).find("placeholder in the host"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.path = "https://own.example{query}"; }).find("placeholder in the host"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.path = "file:///etc/{query}"; }).find("its URL"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.path = "https://own.example/"; }).find("has {query}"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.body = "{}"; }).find("GET has no body"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.method = "POST", s.body = R"({"q": "{query}"})"; }).find("own quotes"), std::string::npos);
  EXPECT_EQ(message([](SearchShape& s) { s.method = "POST", s.body = R"({"q": {query}})"; }), "fine");
  EXPECT_NE(message([](SearchShape& s) { s.headers = {{"X: y", "z"}}; }).find("is no header"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.headers = {{"X", "{query}"}}; }).find("has {query}"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.lists = {}; }).find("no list"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.lists = {"items"}; }).find("no JSON pointer"), std::string::npos);
  EXPECT_NE(message([](SearchShape& s) { s.link = ""; }).find("where the URL"), std::string::npos);
}

}  // namespace
}  // namespace toccata::tools
