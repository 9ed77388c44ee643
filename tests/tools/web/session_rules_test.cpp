// What a session keeps and where it goes: cookies, proxies, obstacles.
#include <gtest/gtest.h>

#include "tools/web/cookie_jar.h"
#include "tools/web/page_obstacle.h"
#include "tools/web/proxy.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;

WebUrl url(const std::string& text) { return parse_web_url(text).value_or_throw(); }

class CookieJarTest : public ::testing::Test {
 protected:
  CookieJar jar;
  CookieJar::Time now = std::chrono::system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT

  std::string after(const std::string& set_cookie, const std::string& from, const std::string& to) {
    jar.store(url(from), set_cookie, now);
    return jar.header(url(to), now);
  }
};

TEST_F(CookieJarTest, GoOnlyToTheHostThatSetThem) {
  EXPECT_EQ(after("a=1; Domain=example.org", "https://www.example.org/", "https://www.example.org/x"), "a=1");
  EXPECT_EQ(jar.header(url("https://example.org/"), now), "");
  EXPECT_EQ(jar.header(url("https://evil.www.example.org/"), now), "");
}

TEST_F(CookieJarTest, ForAnotherHostAreIgnored) {
  for (const char* domain : {"other.example", "www.example.org.evil.example", "xample.org"}) {
    EXPECT_EQ(after(std::string("a=1; Domain=") + domain, "https://www.example.org/", "https://www.example.org/"), "") << domain;
  }
  EXPECT_EQ(after("a=1; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/"), "");
}

TEST_F(CookieJarTest, KeepToTheirPaths) {
  EXPECT_EQ(after("a=1; Path=/docs", "https://h.example/", "https://h.example/docs/x"), "a=1");
  EXPECT_EQ(jar.header(url("https://h.example/docsearch"), now), "");
  EXPECT_EQ(jar.header(url("https://h.example/docs?q=1"), now), "a=1");
  EXPECT_EQ(after("b=2", "https://h.example/deep/er/page", "https://h.example/deep/er/other"), "b=2");
  EXPECT_EQ(jar.header(url("https://h.example/deep/"), now), "");
  EXPECT_EQ(after("c=3; Path=/docs/more", "https://h.example/", "https://h.example/docs/more"), "c=3; a=1");
}

TEST_F(CookieJarTest, SecureOnesNeedTls) {
  EXPECT_EQ(after("a=1; Secure", "http://h.example/", "https://h.example/"), "");
  EXPECT_EQ(after("a=1; Secure", "https://h.example/", "https://h.example/"), "a=1");
  EXPECT_EQ(jar.header(url("http://h.example/"), now), "");
  EXPECT_EQ(after("__Host-b=1; Secure; Path=/x", "https://g.example/", "https://g.example/x"), "");
  EXPECT_EQ(after("__Host-b=1; Secure; Path=/; Domain=g.example", "https://g.example/", "https://g.example/x"), "");
  EXPECT_EQ(after("__Secure-b=1", "https://g.example/", "https://g.example/x"), "");
  EXPECT_EQ(after("__Host-b=1; Secure; Path=/", "https://g.example/", "https://g.example/x"), "__Host-b=1");
}

TEST_F(CookieJarTest, End) {
  EXPECT_EQ(after("a=1; Max-Age=60", "http://h.example/", "http://h.example/"), "a=1");
  now += 61s;
  EXPECT_EQ(jar.header(url("http://h.example/"), now), "");
  EXPECT_EQ(after("b=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "http://h.example/", "http://h.example/"), "");
  EXPECT_EQ(after("b=1; Expires=Sun, 06 Nov 2994 08:49:37 GMT", "http://h.example/", "http://h.example/"), "b=1");
  EXPECT_EQ(after("b=; Max-Age=-1", "http://h.example/", "http://h.example/"), "");
  EXPECT_EQ(after("c=1; Max-Age=60; Expires=Sun, 06 Nov 1970 08:49:37 GMT", "http://h.example/", "http://h.example/"), "c=1");
}

TEST_F(CookieJarTest, MalformedOnesAreIgnored) {
  for (const std::string bad : {"", "=", "=x", "novalue", "; Path=/", "a\x01=1", "a=1\x7F"}) EXPECT_EQ(after(bad, "http://h.example/", "http://h.example/"), "") << bad;
  EXPECT_EQ(after("a=" + std::string(5000, 'x'), "http://h.example/", "http://h.example/"), "");
  EXPECT_EQ(after(" a = b=c ; ;; Path ; =", "http://h.example/", "http://h.example/"), "a=b=c");
}

TEST_F(CookieJarTest, AreBounded) {
  for (int h = 0; h < 20; ++h) {
    for (int i = 0; i < 60; ++i) jar.store(url("http://h" + std::to_string(h) + ".example/"), "n" + std::to_string(i) + "=" + std::string(500, 'v'), now);
  }
  EXPECT_EQ(jar.size(), 300U);
  const std::string header = jar.header(url("http://h19.example/"), now);
  EXPECT_LE(header.size(), 8192U);
  EXPECT_EQ(header.find("n9="), std::string::npos) << "the oldest went";
  EXPECT_TRUE(jar.header(url("http://h0.example/"), now).empty());
}

TEST(ProxyRulesTest, EachSchemeHasItsProxy) {
  const ProxyRules rules = ProxyRules::make("proxy.example:3128", "http://u:secret@p2.example:8080/", "").value_or_throw();
  EXPECT_EQ(rules.proxy_for(url("http://a.example/")), "http://proxy.example:3128");
  EXPECT_EQ(rules.proxy_for(url("https://a.example/")), "http://u:secret@p2.example:8080/");
  for (const char* own : {"http://127.0.0.1:8000/", "http://127.9.9.9/", "http://localhost/", "http://[::1]/", "http://x.localhost/"}) {
    EXPECT_EQ(rules.proxy_for(url(own)), "") << own;
  }
}

TEST(ProxyRulesTest, SomeHostsAreDirect) {
  const ProxyRules rules = ProxyRules::make("http://p.example", "", " Example.org, .corp.example  10.0.0.7,h.example:8443 *.star.example").value_or_throw();
  for (const char* direct : {"http://example.org/", "http://www.example.org/", "http://a.corp.example/", "http://corp.example/", "http://10.0.0.7/",
                             "http://h.example:8443/", "http://x.star.example/"}) {
    EXPECT_EQ(rules.proxy_for(url(direct)), "") << direct;
  }
  for (const char* through : {"http://notexample.org/", "http://example.org.evil.example/", "http://10.0.0.70/", "http://h.example/"}) {
    EXPECT_EQ(rules.proxy_for(url(through)), "http://p.example") << through;
  }
  EXPECT_EQ(ProxyRules::make("http://p.example", "", "*").value_or_throw().proxy_for(url("http://a.example/")), "");
}

TEST(ProxyRulesTest, WhatIsNoProxyIsRefusedWithoutItsPassword) {
  for (const char* bad : {"socks5://u:secret@p.example", "http://u:secret@", "http://u:secret@p.example:99999", "ftp://p.example"}) {
    const auto rules = ProxyRules::make(bad, "", "");
    ASSERT_FALSE(rules) << bad;
    EXPECT_EQ(rules.error().message.find("secret"), std::string::npos) << rules.error().message;
  }
}

TEST(PageObstacleTest, ALookCountsWhatIsSeen) {
  const PageLook page = look_at_page(
      "<title>T</title><style>a{}</style><SCRIPT>var a='<p>no';</SCRIPT><p class='x>y'>ab c</p><a href=/1>\u00e9</a><!-- <p>no --><noscript><b>Java</b>Script</noscript>"
      "<img src=x>");
  EXPECT_EQ(page.n_visible, 3U + 1U + 3U);  // "ab c", the accent, and what follows the > inside the attribute: y'>
  EXPECT_EQ(page.n_links, 1U);
  EXPECT_EQ(page.n_scripts, 1U);
  EXPECT_EQ(page.n_noscript, 10U);
  EXPECT_TRUE(page.has_media);
}

TEST(PageObstacleTest, RefreshesAreUnderstood) {
  const auto refresh = [](const std::string& content) { return look_at_page("<meta http-equiv=\"refresh\" content=\"" + content + "\">").refresh.value_or("none"); };
  EXPECT_EQ(refresh("0;url=/A"), "/A");
  EXPECT_EQ(refresh(" 3 ; URL = '/b c' "), "/b c");
  EXPECT_EQ(refresh("60;url=/A"), "none");
  EXPECT_EQ(refresh("99999999999999999999;url=/A"), "none");
  EXPECT_EQ(refresh("0"), "none");
  EXPECT_EQ(refresh("0;url="), "none");
  EXPECT_EQ(refresh(""), "none");
}

}  // namespace
}  // namespace toccata::tools
