// A web site copied into an index: the pages that its sitemaps name and its links lead to, as far as its robots.txt allows.
//
// One request at a time, with a pause before each. Pages known from before are asked for with what tells whether they have changed.
// Each few pages are committed together with how far the crawl has come: one that was stopped or killed goes on there.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "tools/browser/local_index.h"
#include "tools/browser/page_links.h"
#include "tools/web/fetcher.h"
#include "tools/web/robots.h"

namespace toccata::tools {

struct CrawlLimits {
  std::size_t pages_max = 1000;
  int depth_max = 10;                                  // links from the address where it begins
  std::uint64_t bytes_max = std::uint64_t{256} << 20;  // of pages
};

struct CrawlReport {
  IndexChange change;
  bool resumed = false;   // it went on where an earlier one was cut short
  bool stopped = false;   // on request; the next one goes on
  std::string cut = {};   // why not all was seen; "" = all was
};

// Called after each page: how many were asked for, of how many known by then.
using CrawlProgress = std::function<void(std::size_t, std::size_t)>;

// Pages of one crawl. The pause between requests is the fetcher's host_interval, or what robots.txt asks for, if that is longer.
class SiteCrawl {
 public:
  SiteCrawl(LocalIndex& index, Fetcher& fetcher, CrawlLimits limits = {}, CrawlProgress progress = {})
      : index_(index), fetcher_(fetcher), limits_(limits), progress_(std::move(progress)) {}

  // What lies below `url` on its host: all of "https://example.org/guide/..." for https://example.org/guide/. For the address of a sitemap
  // (.xml, .xml.gz) the pages that it names. Call once.
  // Errors: kInvalidArgument (no web address), kPermissionDenied (address policy, robots.txt), what asking for robots.txt or the index gave.
  Result<CrawlReport> run(const std::string& url, std::stop_token stop = {});

 private:
  enum class Fate { kDone, kAgain };  // kAgain: it did not answer; asked once more at the end

  Result<void> read_robots(const WebUrl& root, std::stop_token stop);
  Result<void> plan(const WebUrl& root, std::stop_token stop);
  void read_sitemaps(std::vector<std::string> todo, std::stop_token stop);
  bool is_in_scope(const std::string& url) const;
  void enqueue(const std::string& url, int depth);
  std::optional<std::string> refuse_redirect(const WebUrl& url) const;

  Result<void> walk(std::stop_token stop);
  Result<Fate> visit(std::size_t at, bool last_try, std::stop_token stop);
  Fate failed(std::size_t at, const Error& error, bool last_try, bool known);
  Result<void> take(std::size_t at, const FetchedPage& page, const std::optional<KnownPage>& known);
  void follow(const PageLinks& links, int depth);
  bool is_at_limit();
  Result<void> flush(bool now);

  LocalIndex& index_;
  Fetcher& fetcher_;
  CrawlLimits limits_;
  CrawlProgress progress_;
  CrawlReport report_;
  RobotsRules robots_;
  std::string site_, origin_, scope_;
  bool follows_links_ = true;
  std::vector<SiteVisit> visits_;
  std::unordered_set<std::string> seen_;  // urls of visits_
  std::unordered_set<std::size_t> texts_;  // hashes of what was taken: one text, one document
  std::size_t n_asked_ = 0;
  std::uint64_t bytes_ = 0;
  int n_failed_in_row_ = 0;

  std::vector<SitePage> unwritten_;
  std::set<std::size_t> changed_;  // visits that are not yet written as they are
  std::chrono::steady_clock::time_point written_;
};

}  // namespace toccata::tools
