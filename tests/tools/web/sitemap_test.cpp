#include "tools/web/sitemap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/web/packed.h"

namespace toccata::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SitemapTest, ReadsPagesAndIndexes) {
  const auto pages = read_sitemap(
      "\xEF\xBB\xBF<?xml version='1.0'?>\n<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>\n"
      "<url><loc> https://a.example/1?x=1&amp;y=2 </loc><lastmod>2026-01-01</lastmod><image:image><image:loc>https://a.example/i.png</image:loc></image:image></url>"
      "<!-- <url><loc>https://a.example/hidden</loc></url> -->"
      "<url><loc><![CDATA[https://a.example/2?x=1&y=2]]></loc></url></urlset>").value_or_throw();
  EXPECT_THAT(pages.pages, ElementsAre("https://a.example/1?x=1&y=2", "https://a.example/2?x=1&y=2"));
  EXPECT_THAT(pages.sitemaps, IsEmpty());
  const auto index = read_sitemap("<sm:sitemapindex><sm:sitemap><sm:loc>https://a.example/s1.xml.gz</sm:loc></sm:sitemap></sm:sitemapindex>").value_or_throw();
  EXPECT_THAT(index.sitemaps, ElementsAre("https://a.example/s1.xml.gz"));
  EXPECT_THAT(read_sitemap("https://a.example/1\r\n\nnonsense\nhttp://a.example/2").value_or_throw().pages, ElementsAre("https://a.example/1", "http://a.example/2"));
}

TEST(SitemapTest, StopsAtTheNumberOfAddresses) {
  std::string text = "<urlset>";
  for (int i = 0; i < 1000; ++i) text += "<url><loc>https://a.example/" + std::to_string(i) + "</loc></url>";
  EXPECT_EQ(read_sitemap(text, 100).value_or_throw().pages.size(), 100U);
}

TEST(SitemapTest, AnyBytesAreRead) {
  for (const std::string bytes : {"", "<", "<loc>", "<loc>x", "<url><loc></loc>", "<!--", "<url><loc><![CDATA[", "</loc>", "\xFF\xFE\x00", "<a<b<c>>"}) {
    EXPECT_TRUE(read_sitemap(bytes)) << bytes;
  }
  std::string open;  // no end of any element: the work must not be a square
  for (int i = 0; i < 1'000'000; ++i) open += "<loc>";
  EXPECT_THAT(read_sitemap(open).value_or_throw().pages, IsEmpty());
}

TEST(SitemapTest, GzipIsUnpackedWithinBounds) {
  EXPECT_EQ(gunzipped(testing::from_hex(testing::kGzip), 1000).value_or_throw(), "<p>packed by gzip");
  EXPECT_EQ(gunzipped(testing::from_hex(testing::kGzip), 3).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(gunzipped("\x1f\x8bnonsense", 1000).error().code, ErrorCode::kCorrupt);
  const std::string bomb = gunzipped(testing::from_hex(testing::kGzipGzipBomb), std::size_t{1} << 20).value_or_throw();
  EXPECT_EQ(read_sitemap(bomb, 100, std::size_t{1} << 20).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(read_sitemap(testing::from_hex(testing::kGzip)).value_or_throw().pages.size(), 0U);
}

}  // namespace
}  // namespace toccata::tools
