#include "tools/browser/archive_pages.h"

#include "tools/browser/document_table.h"

namespace toccata::tools {

void ArchivePages::create_tables(Database& db) {
  db.run(R"sql(
CREATE TABLE archives(
  place BLOB PRIMARY KEY, modified INTEGER NOT NULL, bytes INTEGER NOT NULL, next INTEGER NOT NULL, done INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE archived_names(url TEXT PRIMARY KEY, stands_for TEXT NOT NULL, place BLOB NOT NULL) WITHOUT ROWID;
)sql");
}

ArchivePages::ArchivePages(Database& db)
    : db_(db), has_any_(db.number("SELECT count(*) FROM sqlite_master WHERE name = 'archived_names'") != 0) {}

std::optional<ArchivePages::State> ArchivePages::state(std::string_view file) {
  Statement query(db_, "SELECT modified, bytes, next, done FROM archives WHERE place = ?1");
  query.bind_bytes(1, file);
  if (!query.step()) return std::nullopt;
  return State{query.number(0), query.number(1), static_cast<std::uint64_t>(query.number(2)), query.number(3) != 0};
}

void ArchivePages::set_state(std::string_view file, const State& state) {
  Statement(db_, "INSERT OR REPLACE INTO archives VALUES(?1, ?2, ?3, ?4, ?5)")
      .bind_bytes(1, file).bind(2, state.modified).bind(3, state.bytes).bind(4, static_cast<std::int64_t>(state.next))
      .bind(5, std::int64_t{state.done}).run();
}

void ArchivePages::add_name(std::string_view file, const std::string& url, const std::string& stands_for) {
  Statement(db_, "INSERT OR REPLACE INTO archived_names VALUES(?1, ?2, ?3)").bind(1, url).bind(2, stands_for).bind_bytes(3, file).run();
}

std::vector<std::string> ArchivePages::below(const std::string& root) {
  const auto [from, to] = places_below(root);
  std::vector<std::string> found;
  Statement query(db_, "SELECT place FROM archives WHERE place = ?1 OR (place >= ?2 AND place < ?3)");
  query.bind_bytes(1, root).bind_bytes(2, from).bind_bytes(3, to);
  while (query.step()) found.push_back(query.text(0));
  return found;
}

void ArchivePages::forget_below(const std::string& root) {
  const auto [from, to] = places_below(root);
  for (const char* sql : {"DELETE FROM archived_names WHERE place = ?1 OR (place >= ?2 AND place < ?3)",
                          "DELETE FROM archives WHERE place = ?1 OR (place >= ?2 AND place < ?3)"}) {
    Statement(db_, sql).bind_bytes(1, root).bind_bytes(2, from).bind_bytes(3, to).run();
  }
}

std::string ArchivePages::page_of(const std::string& url) {
  if (!has_any_) return "";
  Statement query(db_, "SELECT stands_for FROM archived_names WHERE url = ?1");
  query.bind(1, url);
  return query.step() ? query.text(0) : "";
}

}  // namespace toccata::tools
