#include "tools/browser/document_table.h"

#include <algorithm>

#include "tools/browser/archive_pages.h"
#include "tools/browser/site_pages.h"

namespace toccata::tools {
namespace {

constexpr int kSchemaVersion = 4;
constexpr int kSchemaVersionBare = 2;   // the same without the tables of sites and vectors,
constexpr int kSchemaVersionSites = 3;  // and without those of archives
constexpr int kApplicationId = 0x746f6363;  // "tocc"

// `place`: the path of a file, byte for byte. Texts are apart, so that lists of documents are short to read; `sources`
// only has what is not the text itself. Ids are never used again: the word index relies on their order.
constexpr const char* kSchema = R"sql(
CREATE TABLE documents(
  id INTEGER PRIMARY KEY AUTOINCREMENT, place BLOB NOT NULL UNIQUE, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
  html INTEGER NOT NULL, modified INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE sources(id INTEGER PRIMARY KEY, source TEXT NOT NULL);
)sql";

}  // namespace

// '0' follows '/'.
std::pair<std::string, std::string> places_below(const std::string& root) {
  const std::string folder = root.ends_with('/') ? root.substr(0, root.size() - 1) : root;
  return {folder + '/', folder + '0'};
}

DocumentTable::DocumentTable(const std::filesystem::path& path, Database::Mode mode) : db_(path, mode), words_(db_), vectors_(db_) {
  db_.run("PRAGMA cache_size = -65536");   // KiB
  db_.run("PRAGMA synchronous = NORMAL");  // with a write-ahead log: a power cut may lose the last commit, never the file
  if (mode == Database::Mode::kWrite && is_empty()) create();
  const std::int64_t application = db_.number("PRAGMA application_id");
  const std::int64_t version = db_.number("PRAGMA user_version");
  if (application != kApplicationId) {
    throw Exception(ErrorCode::kCorrupt, db_.path() + ": a SQLite file, but no document index of Toccata");
  }
  if (version < kSchemaVersionBare || version > kSchemaVersion) {
    throw Exception(
        ErrorCode::kUnsupported, db_.path() + ": index version " + std::to_string(version) + ", this program reads version " +
                                     std::to_string(kSchemaVersion) + "; delete the file and make it anew with `toccata index add`");
  }
  if (version < kSchemaVersion && mode == Database::Mode::kWrite) extend();
}

bool DocumentTable::is_empty() {
  return db_.number("PRAGMA application_id") == 0 && db_.number("PRAGMA user_version") == 0 &&
         db_.number("SELECT count(*) FROM sqlite_master") == 0;
}

void DocumentTable::create() {
  db_.run("PRAGMA page_size = 8192");
  db_.use_wal();
  Transaction transaction(db_, Database::Mode::kWrite);
  if (!is_empty()) return;  // another process was faster
  db_.run(kSchema);
  WordIndex::create_tables(db_);
  db_.run(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
  db_.run(("PRAGMA user_version = " + std::to_string(kSchemaVersionBare)).c_str());
  transaction.commit();
}

void DocumentTable::extend() {
  Transaction transaction(db_, Database::Mode::kWrite);
  const std::int64_t version = db_.number("PRAGMA user_version");
  if (version == kSchemaVersion) return;  // another process was faster
  if (version < kSchemaVersionSites) {
    SitePages::create_tables(db_);
    VectorIndex::create_tables(db_);
  }
  ArchivePages::create_tables(db_);
  db_.run(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
  transaction.commit();
}

std::optional<DocumentTable::Known> DocumentTable::find(std::string_view place) {
  Statement query(db_, "SELECT id, modified, bytes FROM documents WHERE place = ?1");
  query.bind_bytes(1, place);
  if (!query.step()) return std::nullopt;
  return Known{query.number(0), query.number(1), query.number(2)};
}

std::vector<std::pair<std::string, std::int64_t>> DocumentTable::known_below(const std::string& root) {
  std::vector<std::pair<std::string, std::int64_t>> known;
  const auto [from, to] = places_below(root);
  Statement query(db_, "SELECT place, id FROM documents WHERE place = ?1 OR (place >= ?2 AND place < ?3)");
  query.bind_bytes(1, root).bind_bytes(2, from).bind_bytes(3, to);
  while (query.step()) known.emplace_back(query.text(0), query.number(1));
  return known;
}

std::int64_t DocumentTable::insert(std::string_view place, const std::string& name, const IndexedFile& file, std::int64_t modified, std::int64_t bytes) {
  const Document& document = file.document;
  const bool html = document.kind == DocumentKind::kHtml;  // one without text is found by its title
  const std::string& text = html ? file.text : document.source;
  Statement(db_, "INSERT INTO documents(place, url, title, html, modified, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
      .bind_bytes(1, place).bind(2, document.url).bind(3, document.title)
      .bind(4, std::int64_t{html}).bind(5, modified).bind(6, bytes).run();
  const std::int64_t id = sqlite3_last_insert_rowid(db_.handle());
  Statement(db_, "INSERT INTO texts(id, text) VALUES(?1, ?2)").bind(1, id).bind(2, text).run();
  if (html) {
    Statement(db_, "INSERT INTO sources(id, source) VALUES(?1, ?2)").bind(1, id).bind(2, document.source).run();
  }
  builder_.add(id, {document.title, name, text});
  text_bytes_ += text.size();
  return id;
}

void DocumentTable::forget(std::int64_t id) {
  words_.forget(id);
  vectors_.forget(id);
  for (const char* sql : {"DELETE FROM documents WHERE id = ?1", "DELETE FROM texts WHERE id = ?1", "DELETE FROM sources WHERE id = ?1",
                          "DELETE FROM site_pages WHERE id = ?1"}) {
    Statement(db_, sql).bind(1, id).run();
  }
}

std::optional<Document> DocumentTable::fetch(const std::string& url) {
  Statement query(
      db_,
      "SELECT d.url, d.title, coalesce(s.source, t.text), d.html FROM documents d LEFT JOIN texts t ON t.id = d.id "
      "LEFT JOIN sources s ON s.id = d.id WHERE d.url = ?1 OR d.place = ?2");
  query.bind(1, url).bind_bytes(2, url);
  if (!query.step()) return std::nullopt;
  if (query.is_null(2)) WordIndex::fail_corrupt(db_);
  return Document{query.text(0), query.text(1), query.text(2), query.number(3) != 0 ? DocumentKind::kHtml : DocumentKind::kText};
}

std::string DocumentTable::text_head(std::int64_t id, std::size_t n_max) {
  sqlite3_blob* blob = nullptr;
  if (const int code = sqlite3_blob_open(db_.handle(), "main", "texts", "text", id, 0, &blob); code != SQLITE_OK) {
    sqlite3_blob_close(blob);
    if (code == SQLITE_ERROR) WordIndex::fail_corrupt(db_);  // there is no such row
    db_.fail();
  }
  std::string head(std::min(n_max, static_cast<std::size_t>(sqlite3_blob_bytes(blob))), '\0');
  const int code = sqlite3_blob_read(blob, head.data(), static_cast<int>(head.size()), 0);
  sqlite3_blob_close(blob);
  if (code != SQLITE_OK) db_.fail();
  return head;
}

}  // namespace toccata::tools
