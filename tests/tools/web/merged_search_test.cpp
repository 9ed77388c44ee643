#include "tools/web/merged_search.h"

#include <gtest/gtest.h>

#include "tools/web/plain_text.h"

namespace toccata::tools {
namespace {

std::vector<SearchHit> list(std::initializer_list<const char*> urls) {
  std::vector<SearchHit> hits;
  for (const char* url : urls) hits.push_back({url, "", ""});
  return hits;
}

std::vector<std::string> urls(const std::vector<SearchHit>& hits) {
  std::vector<std::string> urls;
  for (const SearchHit& hit : hits) urls.push_back(hit.url);
  return urls;
}

TEST(PageKeyTest, SpellingsOfOnePageAreOne) {
  const std::string key = page_key("https://example.org/a/b?x=1&y=2");
  for (const char* same : {"http://www.example.org/a/b?x=1&y=2", "HTTPS://EXAMPLE.org:443/a/b/?x=1&y=2#part", "https://example.org/%61/b?utm_source=z&x=1&y=2",
                           "https://example.org/a/b?x=1&&y=2&gclid=9&fbclid=q"}) {
    EXPECT_EQ(page_key(same), key) << same;
  }
  for (const char* other : {"https://example.org/A/b?x=1&y=2", "https://example.org/a/b?y=2", "https://example.org:8443/a/b?x=1&y=2",
                            "https://sub.example.org/a/b?x=1&y=2", "https://example.org/a%2Fb?x=1&y=2"}) {
    EXPECT_NE(page_key(other), key) << other;
  }
  EXPECT_EQ(page_key("https://a.example/%zz%"), "a.example/%zz%");
  EXPECT_EQ(page_key("https://a.example/%c3%a9"), page_key("https://a.example/\u00e9"));
  EXPECT_EQ(page_key("file:///home/x.txt"), "file:///home/x.txt");
}

TEST(FuseTest, WhatTwoListsHaveComesFirst) {
  const auto fused = fuse({list({"https://a.example/", "https://b.example/"}), list({"https://c.example/", "http://www.b.example/?utm_id=1"})}, 10);
  EXPECT_EQ(urls(fused), (std::vector<std::string>{"https://b.example/", "https://a.example/", "https://c.example/"}));
}

TEST(FuseTest, OneListCannotVoteTwice) {
  const auto fused = fuse({list({"https://a.example/", "https://b.example/", "https://b.example/#2", "https://b.example/#3"})}, 10);
  EXPECT_EQ(urls(fused), (std::vector<std::string>{"https://a.example/", "https://b.example/"}));
}

TEST(FuseTest, WordsThatOneListLacksComeFromTheOther) {
  const auto fused = fuse({{{"https://a.example/", "", ""}}, {{"https://a.example", "title", "summary"}}}, 10);
  EXPECT_EQ(fused, (std::vector<SearchHit>{{"https://a.example/", "title", "summary"}}));
}

TEST(FuseTest, IsCutAtTheNumberWanted) {
  EXPECT_EQ(fuse({list({"https://a.example/", "https://b.example/", "https://c.example/"})}, 2).size(), 2U);
  EXPECT_TRUE(fuse({}, 2).empty());
}

class FakeService final : public SearchService {
 public:
  explicit FakeService(Result<std::vector<SearchHit>> answer) : answer_(std::move(answer)) {}
  Result<std::vector<SearchHit>> search(const std::string&, int, std::stop_token) override { return answer_; }

 private:
  Result<std::vector<SearchHit>> answer_;
};

class ThrowingService final : public SearchService {
 public:
  Result<std::vector<SearchHit>> search(const std::string&, int, std::stop_token) override { throw Exception(ErrorCode::kIo, "disk"); }
};

MergedSearch merged(std::vector<Result<std::vector<SearchHit>>> answers) {
  std::vector<std::unique_ptr<SearchService>> services;
  for (auto& answer : answers) services.push_back(std::make_unique<FakeService>(std::move(answer)));
  return MergedSearch(std::move(services));
}

TEST(MergedSearchTest, OneThatFailsDoesNotHideTheOthers) {
  auto search = merged({Error{ErrorCode::kTimeout, "one is slow"}, list({"https://a.example/"})});
  EXPECT_EQ(search.search("q", 20, {}).value_or_throw().size(), 1U);
}

TEST(MergedSearchTest, WhenNothingIsFoundTheFailuresAreTold) {
  auto search = merged({Error{ErrorCode::kTimeout, "one is slow"}, list({}), Error{ErrorCode::kUnavailable, "three is away"}});
  const auto hits = search.search("q", 20, {});
  ASSERT_FALSE(hits);
  EXPECT_EQ(hits.error().message, "one is slow; three is away");
  EXPECT_EQ(hits.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(merged({list({}), list({})}).search("q", 20, {}));
}

TEST(MergedSearchTest, WhatAThreadThrowsReachesTheCaller) {
  std::vector<std::unique_ptr<SearchService>> services;
  services.push_back(std::make_unique<FakeService>(list({})));
  services.push_back(std::make_unique<ThrowingService>());
  MergedSearch search(std::move(services));
  EXPECT_THROW((void)search.search("q", 20, {}), Exception);
}

TEST(PlainTextTest, TagsGoAndTextStays) {
  EXPECT_EQ(plain_text("a <b>bold</b>  <i\n class=x>move</i>", 100), "a bold move");
  EXPECT_EQ(plain_text("std::vector<int> & map<K, V> < 3", 100), "std::vector<int> & map<K, V> < 3");
  EXPECT_EQ(plain_text("one<br>two<p>three", 100), "one two three");
  EXPECT_EQ(plain_text("x<script>var a = '<b>';</script>y<style>b{}</style><!-- c -->z", 100), "xyz");
  EXPECT_EQ(plain_text("&amp;&lt;b&gt; &#x41;&#0;&hellip; AT&T", 100), "&<b> A\uFFFD\u2026 AT&T");
  EXPECT_EQ(plain_text("  \t lead and trail \r\n", 100), "lead and trail");
  EXPECT_EQ(plain_text("\u00e9\u00e9\u00e9", 5), "\u00e9\u00e9");
  EXPECT_EQ(plain_text(std::string("a\0b\x07", 4), 10), "ab");
  EXPECT_EQ(plain_text("<", 10), "<");
  EXPECT_EQ(plain_text("<b", 10), "<b");
  EXPECT_EQ(plain_text("", 10), "");
}

TEST(PlainTextTest, DeepAndLongInputEnds) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<b>";
  EXPECT_EQ(plain_text(deep + "x", 100), "");
  EXPECT_EQ(plain_text(std::string(1 << 20, 'x'), 100).size(), 100U);
}

}  // namespace
}  // namespace toccata::tools
