#include "tools/browser/site_crawl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_time.h"
#include "tests/support/small_site.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/web/packed.h"

namespace toccata::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class SiteCrawlTest : public ::testing::Test {
 protected:
  SiteCrawlTest() : index_(LocalIndex::open(folder_ / "index.db", LocalIndex::Mode::kWrite).value_or_throw()) {}

  Result<CrawlReport> crawl(const std::string& path = "/", CrawlLimits limits = {}, std::stop_token stop = {}, CrawlProgress progress = {}) {
    Fetcher fetcher(AddressPolicy::with_origins({site_.url()}).value_or_throw(), {.retries_max = 0}, {}, {}, time_.clock());
    return SiteCrawl(*index_, fetcher, limits, std::move(progress)).run(site_.url(path), stop);
  }
  // Paths of the pages in the index, by url.
  std::vector<std::string> indexed() const {
    std::vector<std::string> paths;
    for (const IndexedDocument& document : index_->list()) paths.push_back(document.url.substr(site_.url().size()));
    return paths;
  }
  static std::vector<int> counts(const IndexChange& c) { return {c.added, c.updated, c.removed, c.unchanged, c.skipped}; }

  testing::TempFolder folder_;
  testing::SmallSite site_;
  testing::FakeTime time_;
  std::unique_ptr<LocalIndex> index_;
};

TEST_F(SiteCrawlTest, FollowsLinksWithinTheSite) {
  site_.html("/guide/", "Guide", "<a href=one.html>1</a> <a href='two.html#part'>2</a> <a href=/other>out</a> <a href=http://elsewhere.example/>far</a> <a href=i.png>i</a>");
  site_.html("/guide/one.html", "Tides", "High water comes late. <a href=one.html>self</a> <a href=deep/three.html rel='nofollow'>no</a>");
  site_.html("/guide/two.html", "Winds", "From the west. <a href=deep/four.html>4</a>");
  site_.html("/guide/deep/four.html", "Clouds", "White.");
  site_.html("/guide/deep/three.html", "Unfollowed", "x");
  site_.html("/other", "Other", "outside of the folder");
  const auto report = crawl("/guide/").value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/guide/", "/guide/deep/four.html", "/guide/one.html", "/guide/two.html"));
  EXPECT_THAT(counts(report.change), ElementsAre(4, 0, 0, 0, 0));
  EXPECT_EQ(report.cut, "");
  EXPECT_THAT(site_.asked(), Not(Contains("/guide/i.png")));
  EXPECT_EQ(index_->search("high water", 5).value_or_throw().at(0).title, "Tides");
  EXPECT_THAT(index_->fetch(site_.url("/guide/one.html")).value_or_throw().source, HasSubstr("High water"));
  for (const auto time : time_.slept) EXPECT_EQ(time, 250ms) << "the pause between two requests";
  EXPECT_EQ(time_.slept.size(), 5U) << "robots.txt, sitemap.xml and four pages";
}

TEST_F(SiteCrawlTest, ObeysRobotsTxtAndItsDelay) {
  site_.put("/robots.txt", {"User-agent: *\nDisallow: /private\nCrawl-delay: 3\n", "text/plain"});
  site_.html("/", "Start", "<a href=/private/x>no</a> <a href=/open>yes</a> <a href=/noindex>n</a> <a href=/tagged>t</a> <a href=/nofollow>f</a> <a href=/moved>m</a>");
  site_.html("/open", "Open", "for all");
  site_.html("/private/x", "Private", "not for crawlers");
  site_.put("/noindex", {"<meta name=robots content='NOINDEX, follow'><p>seen, not kept <a href=/behind>b</a>"});
  site_.html("/behind", "Behind", "kept");
  site_.put("/tagged", {"<p>not kept either", "text/html", "200 OK", "X-Robots-Tag: noindex\r\n"});
  site_.put("/nofollow", {"<title>N</title><meta name=robots content=nofollow><p>kept <a href=/unreached>u</a>"});
  site_.html("/unreached", "U", "x");
  site_.put("/moved", {"", "text/html", "302 Found", "Location: /private/x\r\n"});
  const auto report = crawl().value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/", "/behind", "/nofollow", "/open"));
  const auto asked = site_.asked();
  EXPECT_THAT(asked, Not(Contains("/private/x")));
  EXPECT_THAT(asked, Not(Contains("/unreached")));
  EXPECT_THAT(time_.slept, Contains(3000ms));
  EXPECT_THAT(report.change.troubles, ElementsAre(HasSubstr("robots.txt does not allow")));
  site_.put("/robots.txt", {"User-agent: *\nDisallow: /\n", "text/plain"});
  EXPECT_EQ(crawl().error().code, ErrorCode::kPermissionDenied);
  site_.put("/robots.txt", {"", "text/plain", "503 Busy"});
  EXPECT_EQ(crawl().error().code, ErrorCode::kUnavailable) << "who cannot say what is allowed is left alone";
  EXPECT_THAT(site_.asked(), ElementsAre("/robots.txt", "/robots.txt"));
}

TEST_F(SiteCrawlTest, ReadsSitemapsPackedOnesAndIndexes) {
  site_.put("/robots.txt", {"Sitemap: " + site_.url("/map.xml") + "\n", "text/plain"});
  site_.put("/map.xml", {"<sitemapindex><sitemap><loc>" + site_.url("/a.xml") + "</loc></sitemap><sitemap><loc>http://127.0.0.1:1/far.xml</loc></sitemap>"
                         "<sitemap><loc>" + site_.url("/map.xml") + "</loc></sitemap></sitemapindex>", "application/xml"});
  site_.put("/a.xml", {"<urlset><url><loc>" + site_.url("/one") + "</loc></url><url><loc>http://elsewhere.example/x</loc></url></urlset>", "text/xml"});
  site_.html("/one", "One", "named by the map <a href=/two>2</a>");
  site_.html("/two", "Two", "linked from it");
  site_.html("/", "Start", "no links");
  crawl().value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/", "/one", "/two"));
  index_->remove(site_.url("/")).value_or_throw();
  EXPECT_THAT(indexed(), IsEmpty());
  const auto report = crawl("/map.xml").value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/one")) << "the pages it names, no others";
  EXPECT_EQ(report.change.added, 1);
  site_.put("/bad.xml.gz", {"\x1f\x8bnonsense", "application/gzip"});
  EXPECT_THAT(crawl("/bad.xml.gz").value_or_throw().change.troubles, ElementsAre(HasSubstr("gzip is damaged")));
  site_.put("/bomb.xml.gz", {testing::from_hex(testing::kGzip), "application/gzip"});
  EXPECT_THAT(crawl("/bomb.xml.gz").value_or_throw().change.troubles, ElementsAre(HasSubstr("names no page")));
}

TEST_F(SiteCrawlTest, AsksOnlyWhetherPagesHaveChanged) {
  site_.put("/", {"<title>Start</title><a href=/a>a</a> <a href=/b>b</a> <a href=/c>c</a>", "text/html", "200 OK", "", "v1"});
  site_.put("/a", {"<title>A</title><p>alpha <a href=/d>d</a>", "text/html", "200 OK", "", "a1"});
  site_.html("/b", "B", "beta");
  site_.html("/c", "C", "gamma");
  site_.html("/d", "D", "delta");
  EXPECT_EQ(crawl().value_or_throw().change.added, 5);
  site_.asked();
  site_.put("/b", {"<title>B</title><!-- built anew --><p>beta"});
  site_.html("/c", "C", "gamma grew");
  site_.remove("/d");
  const auto report = crawl().value_or_throw();
  EXPECT_THAT(counts(report.change), ElementsAre(0, 1, 1, 3, 0));
  EXPECT_THAT(site_.asked(), ElementsAre("/robots.txt", "/sitemap.xml", "304 /", "304 /a", "/b", "/c", "/d"));
  EXPECT_EQ(index_->search("grew", 5).value_or_throw().size(), 1U);
  EXPECT_THAT(indexed(), ElementsAre("/", "/a", "/b", "/c"));
  // No longer linked, though still there.
  site_.put("/", {"<title>Start</title><a href=/a>a</a> <a href=/b>b</a>", "text/html", "200 OK", "", "v2"});
  EXPECT_EQ(crawl().value_or_throw().change.removed, 1);
  EXPECT_THAT(indexed(), ElementsAre("/", "/a", "/b"));
}

TEST_F(SiteCrawlTest, KeepsItsLimits) {
  for (int i = 0; i < 30; ++i) site_.html("/p" + std::to_string(i), "P", "page " + std::to_string(i) + " <a href=/p" + std::to_string(i + 1) + ">next</a>");
  const auto few = crawl("/p0", {.pages_max = 7}).value_or_throw();
  EXPECT_EQ(few.change.added, 1) << "/p1 does not lie below /p0";
  site_.html("/", "Start", "<a href=/p0>0</a>");
  const auto pages = crawl("/", {.pages_max = 7}).value_or_throw();
  EXPECT_EQ(pages.change.added, 6);
  EXPECT_EQ(pages.change.unchanged, 1);
  EXPECT_THAT(pages.cut, HasSubstr("7 pages"));
  const auto deep = crawl("/", {.depth_max = 3}).value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/", "/p0", "/p1", "/p2"));
  EXPECT_EQ(deep.change.removed, 3);
  EXPECT_THAT(crawl("/", {.bytes_max = 100}).value_or_throw().cut, HasSubstr("MiB"));
}

TEST_F(SiteCrawlTest, GoesOnWhereItWasStopped) {
  std::string links;
  for (int i = 0; i < 12; ++i) {
    links += "<a href=/p" + std::to_string(i) + ">p</a> ";
    site_.html("/p" + std::to_string(i), "P", "page number " + std::to_string(i));
  }
  site_.html("/", "Start", links);
  std::stop_source stop;
  const auto first = crawl("/", {}, stop.get_token(), [&](std::size_t done, std::size_t) {
    if (done == 5) stop.request_stop();
  }).value_or_throw();
  EXPECT_TRUE(first.stopped);
  EXPECT_EQ(first.change.added, 5);
  EXPECT_EQ(indexed().size(), 5U);
  site_.asked();
  const auto second = crawl().value_or_throw();
  EXPECT_TRUE(second.resumed);
  EXPECT_EQ(second.change.added, 8);
  EXPECT_EQ(second.change.removed, 0) << "what the first part read is not gone";
  EXPECT_EQ(site_.asked().size(), 1U + 8U) << "robots.txt, and what had not been read";
  EXPECT_FALSE(crawl().value_or_throw().resumed);
}

TEST_F(SiteCrawlTest, ASiteInTroubleIsLeftAloneAndLosesNothing) {
  std::string links;
  for (int i = 0; i < 12; ++i) {
    links += "<a href=/p" + std::to_string(i) + ">p</a> ";
    site_.html("/p" + std::to_string(i), "P", "page number " + std::to_string(i));
  }
  site_.html("/", "Start", links);
  EXPECT_EQ(crawl().value_or_throw().change.added, 13);
  for (int i = 3; i < 12; ++i) site_.put("/p" + std::to_string(i), {"", "text/html", "500 Broken"});
  const auto report = crawl().value_or_throw();
  EXPECT_THAT(report.cut, HasSubstr("did not answer"));
  EXPECT_EQ(indexed().size(), 13U);
  for (int i = 3; i < 12; ++i) site_.html("/p" + std::to_string(i), "P", "page number " + std::to_string(i));
  site_.put("/p5", {"", "text/html", "500 Broken"});
  const auto again = crawl().value_or_throw();
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.cut, "");
  EXPECT_EQ(indexed().size(), 13U) << "a page that fails for now is kept";
  EXPECT_THAT(again.change.troubles, ElementsAre(HasSubstr("/p5")));
}

TEST_F(SiteCrawlTest, OneTextIsOneDocumentAndRedirectsLeadToOneAddress) {
  site_.html("/", "Start", "<a href=/a>a</a> <a href='/a?session=1'>b</a> <a href=/moved>c</a> <a href=/far>d</a> <a href=/feed>e</a>");
  site_.html("/a", "A", "alpha");
  site_.html("/a?session=1", "A", "alpha");
  site_.put("/moved", {"", "text/html", "301 Moved", "Location: /new\r\n"});
  site_.html("/new", "New", "beta");
  site_.put("/far", {"", "text/html", "301 Moved", "Location: http://elsewhere.example/\r\n"});
  site_.put("/feed", {"<?xml version='1.0'?><rss/>", "application/rss+xml"});
  const auto report = crawl().value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/", "/a", "/new"));
  EXPECT_EQ(report.change.skipped, 3);
  EXPECT_THAT(report.change.troubles, ElementsAre(HasSubstr("another site")));
}

TEST_F(SiteCrawlTest, HostilePagesEnd) {
  std::string links;
  for (int i = 0; i < 100'000; ++i) links += "<a href=/x" + std::to_string(i) + "?y>x</a>";
  site_.put("/", {"<title>Many</title>" + links});
  site_.put("/robots.txt", {std::string(100'000, '\xFE'), "text/html"});
  site_.put("/sitemap.xml", {"<urlset>" + std::string(200'000, '<'), "text/xml"});
  const auto report = crawl("/", {.pages_max = 3}).value_or_throw();
  EXPECT_THAT(indexed(), ElementsAre("/"));
  EXPECT_THAT(report.cut, HasSubstr("3 pages"));
}

TEST_F(SiteCrawlTest, OtherAddressesStayClosed) {
  Fetcher fetcher({});
  EXPECT_EQ(SiteCrawl(*index_, fetcher).run(site_.url("/")).error().code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(SiteCrawl(*index_, fetcher).run("ftp://a.example/").error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(site_.asked(), IsEmpty());
}

}  // namespace
}  // namespace toccata::tools
