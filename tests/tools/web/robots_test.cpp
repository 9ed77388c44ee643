#include "tools/web/robots.h"

#include <gtest/gtest.h>

#include <chrono>

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;

bool allows(const std::string& file, const std::string& target) { return RobotsRules::parse(file, "toccata").allows(target); }

TEST(RobotsTest, TheLongestRuleThatMatchesDecides) {
  const std::string file = "User-agent: *\nDisallow: /private\nAllow: /private/open\nDisallow: /*.cgi$\nDisallow: /a*b*c\n";
  EXPECT_TRUE(allows(file, "/"));
  EXPECT_FALSE(allows(file, "/private"));
  EXPECT_FALSE(allows(file, "/private/x"));
  EXPECT_FALSE(allows(file, "/privateer")) << "a rule is a beginning";
  EXPECT_TRUE(allows(file, "/private/open/x"));
  EXPECT_FALSE(allows(file, "/x.cgi"));
  EXPECT_TRUE(allows(file, "/x.cgi?y"));
  EXPECT_FALSE(allows(file, "/a1b2c3"));
  EXPECT_TRUE(allows(file, "/a1c2b3"));
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /x\nAllow: /x\n", "/x")) << "of equals the one that allows";
  EXPECT_TRUE(allows("User-agent: *\nDisallow:\n", "/x")) << "an empty rule is none";
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /\n", "/robots.txt"));
}

TEST(RobotsTest, ItsOwnGroupCountsAlone) {
  const std::string file =
      "User-agent: *\nDisallow: /\n\nUser-agent: Other\nUser-agent: TOCCATA/2.0\nDisallow: /b\nCrawl-delay: 2.5\n\nuser-agent: toccata\ndisallow: /c\n";
  EXPECT_TRUE(allows(file, "/a"));
  EXPECT_FALSE(allows(file, "/b"));
  EXPECT_FALSE(allows(file, "/c")) << "groups of one name are one";
  EXPECT_EQ(RobotsRules::parse(file, "toccata").delay(), 2500ms);
  EXPECT_FALSE(RobotsRules::parse(file, "else").allows("/a"));
  EXPECT_FALSE(RobotsRules::parse(file, "else").delay());
  EXPECT_TRUE(allows("User-agent: toccatabot\nDisallow: /\n", "/a"));
}

TEST(RobotsTest, OneSpellingForOnePath) {
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /caf%c3%a9\n", "/caf\xC3\xA9/x"));
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /caf\xC3\xA9\n", "/caf%C3%A9"));
  EXPECT_FALSE(allows("User-agent: *\nDisallow: /%7Ejoe\n", "/~joe/x"));
  EXPECT_TRUE(allows("User-agent: *\nDisallow: /a%2Fb\n", "/a/b")) << "an escaped slash is no slash";
}

TEST(RobotsTest, SitemapsAreOfTheWholeFile) {
  const auto rules = RobotsRules::parse("\xEF\xBB\xBFSitemap: https://a.example/1.xml\r\nUser-agent: x\r\nSITEMAP : https://a.example/2.xml # second\r\n", "toccata");
  EXPECT_EQ(rules.sitemaps(), (std::vector<std::string>{"https://a.example/1.xml", "https://a.example/2.xml"}));
}

TEST(RobotsTest, AnyBytesAreAFile) {
  EXPECT_TRUE(allows("", "/"));
  EXPECT_TRUE(allows("<html>not found</html>", "/"));
  EXPECT_TRUE(allows(std::string(100'000, '\xFF') + "\n:\n:::\nDisallow: /\n", "/")) << "a rule before any group";
  EXPECT_TRUE(allows("User-agent: *\nCrawl-delay: -1\nCrawl-delay: soon\n", "/"));
  EXPECT_EQ(RobotsRules::parse("User-agent: *\nCrawl-delay: 1e300\n", "toccata").delay(), 60s);
  std::string stars = "User-agent: *\nDisallow: /";
  for (int i = 0; i < 900; ++i) stars += "*a";
  EXPECT_TRUE(allows(stars + "b$\n", "/" + std::string(1'900, 'a')));
  std::string many = "User-agent: *\n";
  for (int i = 0; i < 50'000; ++i) many += "Disallow: /" + std::to_string(i) + "\n";
  EXPECT_FALSE(allows(many, "/77"));
  EXPECT_FALSE(RobotsRules::allow_none().allows("/x"));
}

}  // namespace
}  // namespace toccata::tools
