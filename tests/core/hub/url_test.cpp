#include "core/hub/url.h"

#include <gtest/gtest.h>

namespace toccata::hub {
namespace {

TEST(UrlTest, AnOriginIsSchemeAndAuthority) {
  EXPECT_EQ(origin_of("HTTPS://Hub.example:8443/a?b#c"), "https://hub.example:8443");
  EXPECT_EQ(origin_of("http://h?x"), "http://h");
  EXPECT_EQ(origin_of("file:///etc/passwd"), "");
  EXPECT_EQ(origin_of("hub.example"), "");
}

// The token follows the origin: nothing that a client may read as another host may look like the hub.
TEST(UrlTest, LookAlikesAreOtherOrigins) {
  for (const char* url : {"http://hub@evil/", "http://hub\\@evil/", "http://hub.evil/", "http://hub:80@evil/", "https://hub/"}) {
    EXPECT_NE(origin_of(url), "http://hub") << url;
  }
}

TEST(UrlTest, RedirectsAreAbsoluteOrRelative) {
  EXPECT_EQ(redirected("http://h:1/a/b?c=d/e", "/x?y"), "http://h:1/x?y");
  EXPECT_EQ(redirected("http://h:1/a/b?c=d/e", "x"), "http://h:1/a/x");
  EXPECT_EQ(redirected("http://h", "x"), "http://h/x");
  EXPECT_EQ(redirected("https://h/a", "//other/x"), "https://other/x");
  EXPECT_EQ(redirected("http://h/a", "https://other/x"), "https://other/x");
}

TEST(UrlTest, RedirectsToOtherSchemesOrDownwardsAreRefused) {
  EXPECT_EQ(redirected("https://h/a", "http://h/a"), std::nullopt);
  EXPECT_EQ(redirected("http://h/a", "file:///etc/passwd"), std::nullopt);
  EXPECT_EQ(redirected("http://h/a", ""), std::nullopt);
  EXPECT_EQ(redirected("http://h/a", "http://x/\r\nA: b"), std::nullopt);
}

TEST(UrlTest, RetryAfterIsANumberOrADate) {
  EXPECT_EQ(retry_after_seconds("120", 0), 120);
  EXPECT_EQ(retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", 1445412470), 10);
  EXPECT_EQ(retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", 1545412470), 0);
  EXPECT_EQ(retry_after_seconds("soon", 0), std::nullopt);
  EXPECT_EQ(retry_after_seconds("", 0), std::nullopt);
}

}  // namespace
}  // namespace toccata::hub
