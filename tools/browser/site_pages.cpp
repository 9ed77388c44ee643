#include "tools/browser/site_pages.h"

namespace toccata::tools {

void SitePages::create_tables(Database& db) {
  db.run(R"sql(
CREATE TABLE site_pages(id INTEGER PRIMARY KEY, etag TEXT NOT NULL, last_modified TEXT NOT NULL);
CREATE TABLE site_visits(
  site TEXT NOT NULL, url TEXT NOT NULL, depth INTEGER NOT NULL, done INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY(site, url)) WITHOUT ROWID;
)sql");
}

Validators SitePages::validators(std::int64_t id) {
  Statement query(db_, "SELECT etag, last_modified FROM site_pages WHERE id = ?1");
  query.bind(1, id);
  if (!query.step()) return {};
  return {query.text(0), query.text(1)};
}

void SitePages::set_validators(std::int64_t id, const Validators& validators) {
  Statement(db_, "INSERT OR REPLACE INTO site_pages VALUES(?1, ?2, ?3)")
      .bind(1, id).bind(2, validators.etag).bind(3, validators.last_modified).run();
}

std::vector<SiteVisit> SitePages::unfinished(const std::string& site) {
  std::vector<SiteVisit> visits;
  Statement query(db_, "SELECT url, depth, done FROM site_visits WHERE site = ?1 ORDER BY position");
  query.bind(1, site);
  while (query.step()) visits.push_back({query.text(0), static_cast<int>(query.number(1)), query.number(2) != 0});
  return visits;
}

void SitePages::note(const std::string& site, const PlacedVisit& placed) {
  const auto& [position, visit] = placed;
  Statement(db_, "INSERT OR REPLACE INTO site_visits VALUES(?1, ?2, ?3, ?4, ?5)")
      .bind(1, site).bind(2, visit.url).bind(3, std::int64_t{visit.depth}).bind(4, std::int64_t{visit.done})
      .bind(5, static_cast<std::int64_t>(position)).run();
}

void SitePages::finish(const std::string& site) { Statement(db_, "DELETE FROM site_visits WHERE site = ?1").bind(1, site).run(); }

}  // namespace toccata::tools
