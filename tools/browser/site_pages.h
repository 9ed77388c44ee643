// What an index knows of the web sites in it: how to ask whether a page has changed, and how far a crawl has come, so that one that
// was cut short goes on where it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/index/database.h"
#include "tools/web/fetcher.h"

namespace toccata::tools {

// An address of a crawl; `depth` links away from where it began.
struct SiteVisit {
  std::string url;
  int depth = 0;
  bool done = false;
};

// `position` orders the visits of a crawl.
struct PlacedVisit {
  std::size_t position = 0;
  SiteVisit visit;
};

// Over the tables `site_pages` and `site_visits`. `site` names a crawl: the address it began at. Throws Exception.
class SitePages {
 public:
  explicit SitePages(Database& db) : db_(db) {}
  static void create_tables(Database& db);

  Validators validators(std::int64_t id);
  // In a transaction, as all that follows.
  void set_validators(std::int64_t id, const Validators& validators);

  // The crawl that was not finished, in the order in which it goes on; empty: there is none.
  std::vector<SiteVisit> unfinished(const std::string& site);
  void note(const std::string& site, const PlacedVisit& placed);
  void finish(const std::string& site);

 private:
  Database& db_;
};

}  // namespace toccata::tools
