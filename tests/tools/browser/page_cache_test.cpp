// Pages kept between runs and recorded for each: what is asked of the network, and what happens to a bad file.
#include "tools/browser/page_cache.h"

#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"
#include "tools/index/database.h"

namespace toccata::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PageCacheTest : public ::testing::Test {
 protected:
  std::shared_ptr<PageStore> store(std::int64_t bytes_max = PageStore::kBytesMax) {
    return std::make_shared<PageStore>(path_, [this](const std::string& text) { warnings_.push_back(text); }, [this] { return now_s_; }, bytes_max);
  }
  // The body, or the error's words.
  std::string fetch(PageStore* store, const std::string& path = "/p", std::string origin = "") {
    if (origin.empty()) origin = server_.url();
    const std::vector<std::string> origins = may_open_ ? std::vector{origin} : std::vector<std::string>{};
    Fetcher fetcher(AddressPolicy::make(origins, {}).value_or_throw(), FetchLimits{.host_interval = std::chrono::milliseconds(0)});
    const auto page = fetch_cached(fetcher, store, origin + path, {});
    return page ? page->body : page.error().message;
  }

  testing::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "deep/pages.db";
  std::vector<std::string> warnings_;
  bool may_open_ = true;
  std::int64_t now_s_ = 1'000'000;
  std::mutex mutex_;
  std::string headers_ = "Cache-Control: public, max-age=60\r\n";
  std::string body_ = "one";
  std::vector<std::string> asked_;  // "" or the validator sent
  testing::LoopbackServer server_{[this](const std::string& request, testing::Connection& connection) {
    const std::lock_guard lock(mutex_);
    const std::size_t at = request.find("If-None-Match: ");
    const std::string tag = at == std::string::npos ? "" : request.substr(at + 15, request.find("\r\n", at) - at - 15);
    asked_.push_back(tag);
    if (request.starts_with("GET /from")) {
      return connection.send("HTTP/1.1 302 Found\r\nLocation: /p\r\n" + headers_ + "Content-Length: 0\r\nConnection: close\r\n\r\n");
    }
    const std::string same = headers_.find("ETag: " + tag + "\r\n") != std::string::npos && !tag.empty() ? "304 Not Modified" : "200 OK";
    const std::string body = same[0] == '3' ? "" : body_;
    connection.send(
        "HTTP/1.1 " + same + "\r\nContent-Type: text/plain\r\n" + headers_ + "Content-Length: " + std::to_string(body.size()) +
        "\r\nConnection: close\r\n\r\n" + body
    );
  }};
};

TEST_F(PageCacheTest, AFreshPageIsNotAskedForAgainAlsoByTheNextRun) {
  EXPECT_EQ("one", fetch(store().get()));
  body_ = "two";
  now_s_ += 59;
  EXPECT_EQ("one", fetch(store().get()));
  now_s_ += 1;
  EXPECT_EQ("two", fetch(store().get()));
  EXPECT_EQ(2U, asked_.size());
  EXPECT_EQ("two", fetch(nullptr));  // without a store every time
  EXPECT_EQ(3U, asked_.size());
  EXPECT_TRUE(warnings_.empty()) << warnings_[0];
}

TEST_F(PageCacheTest, AStalePageIsAskedForWithItsTag) {
  headers_ = "Cache-Control: no-cache\r\nETag: \"v1\"\r\n";
  EXPECT_EQ("one", fetch(store().get()));
  body_ = "never sent";
  EXPECT_EQ("one", fetch(store().get()));
  headers_ = "ETag: \"v2\"\r\n";
  body_ = "two";
  EXPECT_EQ("two", fetch(store().get()));
  EXPECT_THAT(asked_, ElementsAre("", "\"v1\"", "\"v1\""));
}

TEST_F(PageCacheTest, WhatMustNotBeKeptIsNot) {
  for (const char* headers : {"Cache-Control: no-store, max-age=60\r\n", "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n",
                              "Cache-Control: max-age=60\r\nVary: *\r\n", "", "Cache-Control: max-age=60\r\nAge: 60\r\n", "Cache-Control: max-age=-1\r\n",
                              "Cache-Control: max-age=x\r\n"}) {
    headers_ = headers;
    asked_.clear();
    fetch(store().get());
    fetch(store().get());
    EXPECT_EQ(2U, asked_.size()) << headers;
  }
  headers_ = "Cache-Control: max-age=99999999999999999999\r\n";  // for ever is a week
  fetch(store().get());
  now_s_ += 7 * 24 * 3600;
  asked_.clear();
  fetch(store().get());
  EXPECT_EQ(1U, asked_.size());
}

TEST_F(PageCacheTest, AKeptPageIsUnderTheAddressPolicyOfTheRunThatReadsIt) {
  EXPECT_EQ("one", fetch(store().get()));
  may_open_ = false;
  EXPECT_THAT(fetch(store().get()), HasSubstr("not allowed"));
}

TEST_F(PageCacheTest, WhatARedirectLedToAndPagesOfAnExceptionByNameAreNotKept) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ("one", fetch(store().get(), "/from"));
  EXPECT_EQ(4U, asked_.size());
  const std::string named = "http://localhost:" + server_.url().substr(server_.url().rfind(':') + 1);
  asked_.clear();
  for (int i = 0; i < 2; ++i) EXPECT_EQ("one", fetch(store().get(), "/p", named));
  EXPECT_EQ(2U, asked_.size());
  asked_.clear();
  for (int i = 0; i < 2; ++i) EXPECT_EQ("one", fetch(store().get(), "/p#part"));
  EXPECT_EQ(1U, asked_.size());
  EXPECT_TRUE(warnings_.empty()) << warnings_[0];
}

TEST_F(PageCacheTest, SeveralMayBeginAtOnce) {
  std::filesystem::create_directories(path_.parent_path());
  for (int round = 0; round < 8; ++round) {
    for (const char* side : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + side);
    std::vector<std::thread> threads;
    std::vector<std::string> told(4);
    for (std::string& text : told) {
      threads.emplace_back([&] { PageStore(path_, [&](const std::string& warning) { text += warning; }).record("run", "page", "k", "x"); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& text : told) EXPECT_EQ("", text);
    EXPECT_EQ(4, store()->n_recorded("run"));
  }
}

// Locked is not damaged: nobody is told to delete a file that another process writes to.
TEST_F(PageCacheTest, ALockedFileIsNotToBeDeleted) {
  store();
  Database other(path_, Database::Mode::kWrite);
  const Transaction writing(other, Database::Mode::kWrite);
  store();
  ASSERT_EQ(1U, warnings_.size());
  EXPECT_THAT(warnings_[0], HasSubstr("another process"));
  EXPECT_THAT(warnings_[0], ::testing::Not(HasSubstr("Delete")));
}

TEST_F(PageCacheTest, LongUnusedPagesMakeRoom) {
  const auto kept = store(10'000);
  FetchedPage page{"u", false, std::string(900, 'x')};
  page.may_keep = true;
  page.fresh = std::chrono::seconds(60);
  for (int i = 0; i < 40; ++i) {
    ++now_s_;
    kept->keep("u" + std::to_string(i), page);
  }
  EXPECT_FALSE(kept->find("u0"));
  EXPECT_TRUE(kept->find("u39"));
  // Records stay longer than pages, and go by whole runs.
  kept->record("a", "page", "k", std::string(4000, 'a'));
  EXPECT_EQ(1, kept->n_recorded("a"));
  kept->record("b", "page", "k", std::string(7000, 'b'));
  EXPECT_EQ(0, kept->n_recorded("a"));
  EXPECT_EQ(1, kept->n_recorded("b"));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PageCacheTest, ABadFileIsToldOfOnceAndLeftAlone) {
  const auto spoil = [&](const std::string& bytes) {
    std::filesystem::create_directories(path_.parent_path());
    for (const char* side : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + side);
    std::ofstream(path_, std::ios::binary) << bytes;
    warnings_.clear();
  };
  spoil(std::string(5000, 'n'));
  const auto broken = store();
  EXPECT_EQ("one", fetch(broken.get()));
  EXPECT_EQ("one", fetch(broken.get()));
  ASSERT_EQ(1U, warnings_.size());
  EXPECT_THAT(warnings_[0], HasSubstr(path_.string()));
  EXPECT_THAT(warnings_[0], HasSubstr("going on without it"));
  EXPECT_EQ(5000U, std::filesystem::file_size(path_));

  // Sound at first sight, torn further in.
  spoil("");
  {
    const auto sound = store();
    for (int i = 0; i < 50; ++i) sound->record("run", "page", "k" + std::to_string(i), std::string(2000, 'x'));
  }
  const auto size = std::filesystem::file_size(path_);
  {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(4096);
    file << std::string(size - 4096, '\xEE');
  }
  warnings_.clear();
  const auto torn = store();
  EXPECT_EQ("one", fetch(torn.get()));
  torn->record("run", "page", "k", "x");
  EXPECT_FALSE(torn->recorded("run", "page", "k", 0));
  EXPECT_EQ(1U, warnings_.size());

  std::filesystem::create_directories(folder_ / "folder.db");
  path_ = folder_ / "folder.db";
  warnings_.clear();
  EXPECT_EQ("one", fetch(store().get()));
  EXPECT_EQ(1U, warnings_.size());
}

// Answers that change from one time to the next.
class ChangingBackend final : public BrowserBackend {
 public:
  Result<std::vector<SearchHit>> search(const std::string& query, int, std::stop_token) override {
    if (query == "none") return Error{ErrorCode::kResourceExhausted, "too many requests"};
    return std::vector<SearchHit>{{"https://a.example/" + std::to_string(++n_), "T\xFF", "S"}};
  }
  Result<Document> fetch(const std::string& url, std::stop_token) override {
    if (url.ends_with("gone")) return Error{ErrorCode::kNotFound, "HTTP 404"};
    return Document{url + "?final", "title", "body " + std::to_string(++n_), DocumentKind::kHtml};
  }

 private:
  int n_ = 0;
};

TEST_F(PageCacheTest, ARunIsAnsweredAgainAsItWas) {
  const auto ask = [](BrowserBackend& backend) {
    std::vector<std::string> said;
    for (const std::string query : {"q", "q", "none"}) {
      const auto hits = backend.search(query, 5, {});
      said.push_back(hits ? hits->at(0).url : hits.error().message);
    }
    for (const std::string url : {"u", "u", "gone", "v"}) {
      const auto page = backend.fetch(url, {});
      said.push_back(page ? page->url + page->title + page->source + (page->kind == DocumentKind::kHtml ? "h" : "t") : page.error().message);
    }
    return said;
  };
  const auto kept = store();
  RecordingBackend recording(std::make_unique<ChangingBackend>(), kept);
  recording.begin_call("run-1/1");
  const auto first = ask(recording);
  recording.begin_call("run-2/1");
  ask(recording);
  recording.begin_call("");  // no run: not recorded
  ask(recording);
  EXPECT_EQ(7, kept->n_recorded("run-1"));
  ReplayingBackend replaying(store(), "run-1");
  EXPECT_EQ(first, ask(replaying));
  const auto unknown = replaying.fetch("w", {});
  EXPECT_THAT(unknown.error().message, HasSubstr("recording of run run-1 has no such page"));
  kept->record("run-3", "page", "u", "{\"url\":3");
  EXPECT_THAT(ReplayingBackend(kept, "run-3").fetch("u", {}).error().message, HasSubstr("damaged"));
  for (const char* error : {R"({"error":"x","message":3})", R"({"error":-1})", R"({"error":1e300})", R"({"error":[9],"message":null})"}) {
    kept->record("run-4", "page", error, error);
    EXPECT_EQ(ReplayingBackend(kept, "run-4").fetch(error, {}).error().code, ErrorCode::kUnavailable) << error;
  }
}

}  // namespace
}  // namespace toccata::tools
