#include "tools/browser/page_store.h"

#include <chrono>

#include "tools/index/database.h"

namespace toccata::tools {
namespace {

constexpr int kSchemaVersion = 1;
constexpr int kApplicationId = 0x746f6370;  // "tocp"

constexpr const char* kSchema = R"sql(
CREATE TABLE pages(
  url TEXT PRIMARY KEY, final_url TEXT NOT NULL, html INTEGER NOT NULL, body TEXT NOT NULL, etag TEXT NOT NULL,
  last_modified TEXT NOT NULL, stored_s INTEGER NOT NULL, fresh_until_s INTEGER NOT NULL, used_s INTEGER NOT NULL,
  bytes INTEGER NOT NULL) STRICT;
CREATE INDEX pages_used ON pages(used_s);
CREATE TABLE answers(
  n INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, answer TEXT NOT NULL,
  stored_s INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
CREATE INDEX answers_key ON answers(run, kind, key);
)sql";

// For the sums: the column stands behind texts that may fill thousands of pages.
constexpr const char* kSizes = R"sql(
CREATE INDEX IF NOT EXISTS pages_bytes ON pages(bytes);
CREATE INDEX IF NOT EXISTS answers_bytes ON answers(bytes);
)sql";

std::int64_t wall_clock() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

struct PageStore::File {
  explicit File(const std::filesystem::path& path) : db(path, Database::Mode::kWrite) {
    {
      const Transaction one_state(db, Database::Mode::kRead);  // not half of what another process is making
      is_new();                                                // nothing is changed in a file that is not ours
    }
    // What strangers wrote is in it, and what the user read.
    db.run("PRAGMA trusted_schema = OFF");
    db.run("PRAGMA auto_vacuum = INCREMENTAL");  // before the first table, else without effect
    db.use_wal();
    db.run("PRAGMA synchronous = OFF");  // what a power cut loses is fetched again
    Transaction transaction(db, Database::Mode::kWrite);
    if (is_new()) {
      db.run(kSchema);
      db.run(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
      db.run(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
    }
    db.run(kSizes);
    transaction.commit();
  }

  bool is_new() {
    const std::int64_t version = db.number("PRAGMA user_version"), id = db.number("PRAGMA application_id");
    if (version == 0 && id == 0 && db.number("SELECT COUNT(*) FROM sqlite_master") == 0) return true;
    if (id != kApplicationId) throw Exception(ErrorCode::kCorrupt, "it is a database of something else");
    if (version == kSchemaVersion) return false;
    throw Exception(
        ErrorCode::kUnsupported, "it has version " + std::to_string(version) + ", this program knows " + std::to_string(kSchemaVersion)
    );
  }

  Database db;
};

PageStore::PageStore(std::filesystem::path path, Warn warn, Clock clock, std::int64_t bytes_max)
    : path_(std::move(path)), warn_(std::move(warn)), clock_(clock ? std::move(clock) : Clock(wall_clock)), bytes_max_(bytes_max) {
  std::error_code failure;
  if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), failure);
  try {
    file_ = std::make_unique<File>(path_);
  } catch (const Exception& error) {
    give_up("cannot be used", error);
  }
}
PageStore::~PageStore() = default;

void PageStore::give_up(const char* what, const Exception& error) {
  file_.reset();
  const bool is_busy = error.code() == ErrorCode::kUnavailable;
  warn_("the page cache " + path_.string() + " " + what + " (" + error.what() + "): going on without it" +
        (is_busy ? "" : ". Delete the file to have a new one made"));
}

template <class Work>
void PageStore::guarded(const Work& work) {
  if (!file_) return;
  try {
    work(file_->db);
  } catch (const Exception& error) {
    if (error.code() == ErrorCode::kUnavailable) return;  // another process writes for very long: this once without
    give_up("failed", error);
  }
}

std::optional<StoredPage> PageStore::find(const std::string& url) {
  std::optional<StoredPage> found;
  guarded([&](Database& db) {
    Statement row(db, "SELECT final_url, html, body, etag, last_modified, stored_s, fresh_until_s FROM pages WHERE url = ?1");
    if (!row.bind(1, url).step()) return;
    StoredPage stored{{row.text(0), row.number(1) != 0, row.text(2)}, row.number(5), row.number(6)};
    stored.page.etag = row.text(3);
    stored.page.last_modified = row.text(4);
    stored.page.may_keep = true;
    Statement(db, "UPDATE pages SET used_s = ?1 WHERE url = ?2").bind(1, now()).bind(2, url).step();
    found = std::move(stored);
  });
  return found;
}

void PageStore::keep(const std::string& url, const FetchedPage& page) {
  if (!page.may_keep || page.body.size() > kTextBytesMax) return drop(url);
  if (page.fresh.count() == 0 && page.etag.empty() && page.last_modified.empty()) return drop(url);  // never of use
  guarded([&](Database& db) {
    Statement(db, "INSERT OR REPLACE INTO pages VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, ?9)")
        .bind(1, url)
        .bind(2, page.url)
        .bind(3, std::int64_t{page.html})
        .bind(4, page.body)
        .bind(5, page.etag)
        .bind(6, page.last_modified)
        .bind(7, now())
        .bind(8, now() + page.fresh.count())
        .bind(9, static_cast<std::int64_t>(page.body.size()))
        .step();
  });
  make_room();
}

void PageStore::renew(const std::string& url, std::chrono::seconds fresh) {
  guarded([&](Database& db) {
    Statement(db, "UPDATE pages SET fresh_until_s = ?1 WHERE url = ?2").bind(1, now() + fresh.count()).bind(2, url).step();
  });
}

void PageStore::drop(const std::string& url) {
  guarded([&](Database& db) { Statement(db, "DELETE FROM pages WHERE url = ?1").bind(1, url).step(); });
}

void PageStore::record(std::string_view run, std::string_view kind, const std::string& key, const std::string& answer) {
  if (run.empty() || answer.size() > kTextBytesMax) return;
  guarded([&](Database& db) {
    Statement(db, "INSERT INTO answers(run, kind, key, answer, stored_s, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
        .bind(1, run)
        .bind(2, kind)
        .bind(3, key)
        .bind(4, answer)
        .bind(5, now())
        .bind(6, static_cast<std::int64_t>(answer.size()))
        .step();
  });
  make_room();
}

std::optional<std::string> PageStore::recorded(std::string_view run, std::string_view kind, const std::string& key, int n) {
  std::optional<std::string> found;
  guarded([&](Database& db) {
    Statement rows(db, "SELECT answer FROM answers WHERE run = ?1 AND kind = ?2 AND key = ?3 ORDER BY n LIMIT ?4");
    rows.bind(1, run).bind(2, kind).bind(3, key).bind(4, std::int64_t{n} + 1);
    while (rows.step()) found = rows.text(0);
  });
  return found;
}

std::int64_t PageStore::n_recorded(std::string_view run) {
  std::int64_t n = 0;
  guarded([&](Database& db) {
    Statement rows(db, "SELECT COUNT(*) FROM answers WHERE run = ?1");
    if (rows.bind(1, run).step()) n = rows.number(0);
  });
  return n;
}

// Pages before records: they can be fetched again.
void PageStore::make_room() {
  guarded([&](Database& db) {
    const auto total = [&] { return db.number("SELECT (SELECT TOTAL(bytes) FROM pages) + (SELECT TOTAL(bytes) FROM answers)"); };
    if (total() <= bytes_max_) return;
    while (total() > bytes_max_ / 4 * 3) {
      Statement(db, "DELETE FROM pages WHERE url IN (SELECT url FROM pages ORDER BY used_s, url LIMIT 16)").step();
      if (sqlite3_changes(db.handle()) > 0) continue;
      Statement(db, "DELETE FROM answers WHERE run = (SELECT run FROM answers ORDER BY n LIMIT 1)").step();
      if (sqlite3_changes(db.handle()) == 0) break;
    }
    db.run("PRAGMA incremental_vacuum");
  });
}

}  // namespace toccata::tools
