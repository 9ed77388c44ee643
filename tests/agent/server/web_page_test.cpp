#include "agent/server/web_page.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/live_server.h"

namespace toccata::testing {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(TOCCATA_SOURCE_DIR) / "agent/server/web";

std::string file_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string header(const net::Response& answer, std::string_view name) {
  return std::string(answer.header(name).value_or(""));
}

LiveServer server_with(server::AccessOptions access) { return LiveServer({}, {}, {}, std::move(access)); }

TEST(WebPage, EveryFileIsServedByteForByteWithItsType) {
  LiveServer live(std::vector<std::string>{});
  const std::map<std::string, std::string> types = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".svg", "image/svg+xml"}};
  int n = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename();
    const net::Response answer = live.send("GET", name == "index.html" ? "/" : "/web/" + name);
    ASSERT_EQ(200, answer.status) << name;
    EXPECT_EQ(file_text(entry.path()), answer.body) << name;
    EXPECT_EQ(types.at(entry.path().extension()), header(answer, "content-type")) << name;
    EXPECT_EQ("nosniff", header(answer, "x-content-type-options")) << name;
    ++n;
  }
  EXPECT_GE(n, 8);
}

TEST(WebPage, ThePolicyAllowsOwnFilesAndNothingElse) {
  LiveServer live(std::vector<std::string>{});
  const std::string policy = header(live.send("GET", "/"), "content-security-policy");
  for (const char* part : {"default-src 'self'", "script-src 'self'", "object-src 'none'", "base-uri 'none'",
                           "frame-ancestors 'none'", "require-trusted-types-for 'script'"}) {
    EXPECT_NE(std::string::npos, policy.find(part)) << part;
  }
  EXPECT_EQ(std::string::npos, policy.find("unsafe")) << policy;
  EXPECT_EQ(std::string::npos, policy.find("http")) << policy;
}

// What the policy would block, or a reviewer would have to look at twice, stands in no file.
TEST(WebPage, NoFileMakesMarkupFromStringsOrAsksOthers) {
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string text = file_text(entry.path());
    for (const char* word : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
                             "DOMParser", "createContextualFragment", "srcdoc", "javascript:", "//cdn", " style=\"", " onclick="}) {
      EXPECT_EQ(std::string::npos, text.find(word)) << entry.path() << ": " << word;
    }
  }
}

TEST(WebPage, IsSentAgainOnlyWhenItChanged) {
  LiveServer live(std::vector<std::string>{});
  const net::Response first = live.send("GET", "/web/app.js");
  const std::string etag = header(first, "etag");
  ASSERT_FALSE(etag.empty());
  EXPECT_EQ("no-cache", header(first, "cache-control"));
  EXPECT_NE(etag, header(live.send("GET", "/"), "etag"));
  for (const std::string& known : {etag, "W/" + etag, "\"old\", " + etag, std::string("*")}) {
    const net::Response again = live.send("GET", "/web/app.js", "", {{"If-None-Match", known}});
    EXPECT_EQ(304, again.status) << known;
    EXPECT_EQ("", again.body);
    EXPECT_EQ(etag, header(again, "etag"));
  }
  EXPECT_EQ(200, live.send("GET", "/web/app.js", "", {{"If-None-Match", "\"old\""}}).status);
}

TEST(WebPage, OnlyItsFilesAndOnlyReading) {
  LiveServer live(std::vector<std::string>{});
  for (const char* path : {"/web", "/web/", "/web/none.js", "/web/../server.cpp", "/web/index.html", "/index.html", "/web/app.js/"}) {
    EXPECT_EQ(404, live.send("GET", path).status) << path;
  }
  EXPECT_EQ(404, live.send("POST", "/", "{}").status);
  EXPECT_EQ(404, live.send("DELETE", "/web/app.js").status);
}

TEST(WebPage, NeedsNoKeyWhileTheApiDoes) {
  LiveServer live = server_with({.api_keys = {"secret"}});
  EXPECT_EQ(200, live.send("GET", "/").status);
  EXPECT_EQ(200, live.send("GET", "/web/chat.js").status);
  EXPECT_EQ(401, live.send("GET", "/v1/models").status);
  EXPECT_EQ(401, live.send("POST", "/", "{}").status);
  EXPECT_EQ(401, live.send("GET", "/web/none.js").status);
  EXPECT_EQ(200, live.send("GET", "/v1/models", "", {{"Authorization", "Bearer secret"}}).status);
}

TEST(WebPage, IsRefusedToForeignHostsAndOriginsAsOtherRoutesAre) {
  LiveServer live(std::vector<std::string>{});
  for (const char* path : {"/", "/web/app.js"}) {
    EXPECT_EQ(403, live.send("GET", path, "", {{"Host", "evil.example"}}).status) << path;
    EXPECT_EQ(403, live.send("GET", path, "", {{"Origin", "https://evil.example"}}).status) << path;
  }
}

}  // namespace
}  // namespace toccata::testing
