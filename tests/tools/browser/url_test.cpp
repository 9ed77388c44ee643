#include "tools/browser/url.h"

#include <gtest/gtest.h>

namespace toccata::tools {
namespace {

// RFC 3986 section 5.4, with its base under a scheme that is followed.
TEST(ResolveUrlTest, ResolvesTheExamplesOfTheStandard) {
  const char* const base = "http://a/b/c/d;p?q";
  const std::pair<const char*, const char*> cases[] = {
      {"g", "http://a/b/c/g"},         {"./g", "http://a/b/c/g"},         {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},            {"//g", "http://g"},               {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},     {"#s", "http://a/b/c/d;p?q#s"},    {"g#s", "http://a/b/c/g#s"},
      {"g?y#s", "http://a/b/c/g?y#s"}, {";x", "http://a/b/c/;x"},         {"g;x", "http://a/b/c/g;x"},
      {".", "http://a/b/c/"},          {"./", "http://a/b/c/"},           {"..", "http://a/b/"},
      {"../", "http://a/b/"},          {"../g", "http://a/b/g"},          {"../..", "http://a/"},
      {"../../g", "http://a/g"},       {"../../../g", "http://a/g"},      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},          {"/../g", "http://a/g"},           {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},       {"..g", "http://a/b/c/..g"},       {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},    {"g/./h", "http://a/b/c/g/h"},     {"g/../h", "http://a/b/c/h"},
      {"g;x=1/../y", "http://a/b/c/y"}, {"g?y/../x", "http://a/b/c/g?y/../x"}, {"g#s/../x", "http://a/b/c/g#s/../x"}};
  for (const auto& [reference, wanted] : cases) EXPECT_EQ(resolve_url(base, reference), wanted) << reference;
}

TEST(ResolveUrlTest, KeepsEmptySegments) {
  EXPECT_EQ(resolve_url("https://w.example/", "/web/1/https://o.example//x"), "https://w.example/web/1/https://o.example//x");
  EXPECT_EQ(resolve_url("https://w.example/a//b", "c"), "https://w.example/a//c");
}

TEST(ResolveUrlTest, ABaseWithoutPathIsTheRoot) {
  EXPECT_EQ(resolve_url("https://h.example", "x"), "https://h.example/x");
  EXPECT_EQ(resolve_url("https://h.example?q=a/b", "x"), "https://h.example/x");
  EXPECT_EQ(resolve_url("https://h.example", "?y"), "https://h.example/?y");
}

TEST(ResolveUrlTest, WhatLeadsNowhereIsEmpty) {
  for (const char* reference : {"mailto:a@b", "javascript:x", "JaVaScRiPt:x", "java\nscript:x", "data:,x", "tel:1", "ftp://f/",
                                "", "  ", "about:blank", "blob:https://x/1", "http://", "https:///x", "//", "view-source:http://a/"}) {
    EXPECT_EQ(resolve_url("https://h.example/", reference), "") << reference;
  }
  EXPECT_EQ(resolve_url("no base", "x"), "");
  EXPECT_EQ(resolve_url("https://h.example/", "file:///etc/passwd"), "");
  EXPECT_EQ(resolve_url("file:///docs/a.html", "file:///docs/b.html"), "file:///docs/b.html");
}

TEST(ResolveUrlTest, AColonInAPathIsNoScheme) {
  EXPECT_EQ(resolve_url("https://h.example/w/", "./a:b"), "https://h.example/w/a:b");
  EXPECT_EQ(resolve_url("https://h.example/w/", "2024:x"), "https://h.example/w/2024:x");
}

TEST(HostOfTest, IsLowerCaseWithPortAndWithoutUser) {
  EXPECT_EQ(host_of("https://user:pw@Example.ORG:8080/a@b"), "example.org:8080");
  EXPECT_EQ(host_of("https://example.org?x"), "example.org");
  EXPECT_EQ(host_of("file:///a"), "");
  EXPECT_EQ(host_of("words"), "");
}

}  // namespace
}  // namespace toccata::tools
