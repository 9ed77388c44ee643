#include "tools/browser/local_index.h"

#include <algorithm>
#include <set>

#include "tools/browser/document_file.h"
#include "tools/browser/text.h"
#include "tools/index/database.h"
#include "tools/index/file_tree.h"
#include "tools/index/passage.h"
#include "tools/index/word_index.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kSchemaVersion = 2;
constexpr int kApplicationId = 0x746f6363;  // "tocc"
constexpr std::size_t kFileBytesMax = std::size_t{8} << 20;
// What is kept in memory before it is written and committed: a process that dies loses no more work than this.
constexpr std::size_t kBatchBytes = std::size_t{192} << 20;
// Of how many documents the text is looked at, and how much of it, to order them by how close together the words stand.
constexpr std::size_t kRerankedDocuments = 50;
constexpr std::size_t kRerankedBytes = std::size_t{16} << 10;
constexpr std::size_t kSnippetBytes = std::size_t{512} << 10;
constexpr double kPassageShare = 1.5;  // nDCG@10 of scripts/bench_search.py: 0 .477, 0.5 .487, 1.5 .490

// `place`: the path of a file, byte for byte. Texts are apart, so that lists of documents are short to read; `sources`
// only has what is not the text itself. Ids are never used again: the word index relies on their order.
constexpr const char* kSchema = R"sql(
CREATE TABLE documents(
  id INTEGER PRIMARY KEY AUTOINCREMENT, place BLOB NOT NULL UNIQUE, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
  html INTEGER NOT NULL, modified INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE sources(id INTEGER PRIMARY KEY, source TEXT NOT NULL);
)sql";

// The first bytes of a text that may be long.
std::string text_head(Database& db, std::int64_t id, std::size_t n_max) {
  sqlite3_blob* blob = nullptr;
  if (const int code = sqlite3_blob_open(db.handle(), "main", "texts", "text", id, 0, &blob); code != SQLITE_OK) {
    sqlite3_blob_close(blob);
    if (code == SQLITE_ERROR) WordIndex::fail_corrupt(db);  // there is no such row
    db.fail();
  }
  std::string head(std::min(n_max, static_cast<std::size_t>(sqlite3_blob_bytes(blob))), '\0');
  const int code = sqlite3_blob_read(blob, head.data(), static_cast<int>(head.size()), 0);
  sqlite3_blob_close(blob);
  if (code != SQLITE_OK) db.fail();
  return head;
}

// What lies below a folder comes in the order of bytes from "folder/" on and ends before "folder0": '0' follows '/'.
std::pair<std::string, std::string> range_below(const std::string& root) {
  const std::string folder = root.ends_with('/') ? root.substr(0, root.size() - 1) : root;
  return {folder + '/', folder + '0'};
}

}  // namespace

class LocalIndex::Impl {
 public:
  Impl(const fs::path& path, Mode mode) : db_(path, mode == Mode::kWrite ? Database::Mode::kWrite : Database::Mode::kRead), words_(db_) {
    db_.run("PRAGMA cache_size = -65536");   // KiB
    db_.run("PRAGMA synchronous = NORMAL");  // with a write-ahead log: a power cut may lose the last commit, never the file
    if (mode == Mode::kWrite && is_empty()) create();
    const std::int64_t application = db_.number("PRAGMA application_id");
    const std::int64_t version = db_.number("PRAGMA user_version");
    if (application != kApplicationId) {
      throw Exception(ErrorCode::kCorrupt, db_.path() + ": a SQLite file, but no document index of Toccata");
    }
    if (version != kSchemaVersion) {
      throw Exception(
          ErrorCode::kUnsupported, db_.path() + ": index version " + std::to_string(version) + ", this program reads version " +
                                       std::to_string(kSchemaVersion) + "; delete the file and make it anew with `toccata index add`");
    }
  }

  // Commits whenever a batch is full: each state is whole, and an add that was cut short is gone on with by the next.
  IndexChange add(const fs::path& root, const IndexProgress& progress) {
    const FileTree tree = files_below(root);
    IndexChange change;
    change.unreadable = static_cast<int>(tree.unreadable.size());
    for (std::size_t i = 0; i < tree.files.size();) {
      write([&] {
        for (; i < tree.files.size() && builder_.bytes() + text_bytes_ < kBatchBytes; ++i) {
          add_file(tree.files[i], change);
          if (progress) progress(i + 1, tree.files.size(), tree.files[i].path.string());
        }
      });
    }
    write([&] { forget_missing(root, tree, change); });
    return change;
  }

  int remove(const std::string& root) {
    int n = 0;
    write([&] {
      for (const auto& [place, id] : known_below(root)) {
        forget(id);
        ++n;
      }
    });
    return n;
  }

  std::vector<IndexedDocument> list() {
    std::vector<IndexedDocument> documents;
    Statement query(db_, "SELECT id, url, title, bytes FROM documents ORDER BY url");
    while (query.step()) {
      documents.push_back({query.number(0), query.text(1), query.text(2), static_cast<std::uint64_t>(query.number(3))});
    }
    return documents;
  }

  std::vector<SearchHit> search(const std::string& query, std::size_t n_max, const std::stop_token& stop) {
    const Transaction one_state(db_, Database::Mode::kRead);
    const Ranking ranking = words_.rank(query, std::max(n_max, kRerankedDocuments), stop);
    PassageFinder finder(ranking.words);
    struct Candidate {
      std::int64_t id;
      double score;
    };
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < ranking.documents.size() && !stop.stop_requested(); ++i) {
      const auto& [id, score] = ranking.documents[i];
      const double share = i < kRerankedDocuments && ranking.words.size() > 1 ? finder.find(text_head(db_, id, kRerankedBytes)).score : 0;
      candidates.push_back({id, score * (1 + kPassageShare * share)});
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    std::vector<SearchHit> hits;
    Statement document(db_, "SELECT url, title FROM documents WHERE id = ?1");
    for (const Candidate& candidate : candidates) {
      if (hits.size() == n_max || stop.stop_requested()) break;
      document.bind(1, candidate.id);
      if (document.step()) hits.push_back({document.text(0), document.text(1), summary(candidate.id, finder)});
      document.reset();
    }
    return hits;
  }

  Result<Document> fetch(const std::string& url) {
    Statement query(
        db_,
        "SELECT d.url, d.title, coalesce(s.source, t.text), d.html FROM documents d LEFT JOIN texts t ON t.id = d.id "
        "LEFT JOIN sources s ON s.id = d.id WHERE d.url = ?1 OR d.place = ?2");
    query.bind(1, url).bind_bytes(2, url);
    if (!query.step()) return Error{ErrorCode::kNotFound, "not in the index of local documents"};
    if (query.is_null(2)) WordIndex::fail_corrupt(db_);
    return Document{query.text(0), query.text(1), query.text(2), query.number(3) != 0 ? DocumentKind::kHtml : DocumentKind::kText};
  }

 private:
  bool is_empty() {
    return db_.number("PRAGMA application_id") == 0 && db_.number("PRAGMA user_version") == 0 &&
           db_.number("SELECT count(*) FROM sqlite_master") == 0;
  }

  void create() {
    db_.run("PRAGMA page_size = 8192");
    db_.use_wal();
    Transaction transaction(db_, Database::Mode::kWrite);
    if (!is_empty()) return;  // another process was faster
    db_.run(kSchema);
    WordIndex::create_tables(db_);
    db_.run(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
    db_.run(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
    transaction.commit();
  }

  // All that `change` does, or nothing of it.
  template <class Change>
  void write(Change change) {
    try {
      Transaction transaction(db_, Database::Mode::kWrite);
      change();
      words_.write(builder_);
      transaction.commit();
    } catch (...) {
      builder_.clear();
      words_.discard();
      text_bytes_ = 0;
      throw;
    }
    text_bytes_ = 0;
  }

  std::vector<std::pair<std::string, std::int64_t>> known_below(const std::string& root) {
    std::vector<std::pair<std::string, std::int64_t>> known;
    const auto [from, to] = range_below(root);
    Statement query(db_, "SELECT place, id FROM documents WHERE place = ?1 OR (place >= ?2 AND place < ?3)");
    query.bind_bytes(1, root).bind_bytes(2, from).bind_bytes(3, to);
    while (query.step()) known.emplace_back(query.text(0), query.number(1));
    return known;
  }

  // What lies in a folder that cannot be read now is not gone.
  void forget_missing(const fs::path& root, const FileTree& tree, IndexChange& change) {
    std::set<std::string_view> seen;
    for (const FoundFile& file : tree.files) seen.insert(file.path.native());
    for (const auto& [place, id] : known_below(root.string())) {
      const bool unknown = std::any_of(tree.unreadable.begin(), tree.unreadable.end(), [&](const fs::path& folder) {
        return place == folder.native() || place.starts_with(folder.native() + '/');
      });
      if (unknown || seen.contains(place)) continue;
      forget(id);
      ++change.removed;
    }
  }

  void add_file(const FoundFile& file, IndexChange& change) {
    const std::string place = file.path.string();
    Statement query(db_, "SELECT id, modified, bytes FROM documents WHERE place = ?1");
    query.bind_bytes(1, place);
    const bool known = query.step();
    if (known && query.number(1) == file.modified && query.number(2) == file.bytes) {
      ++change.unchanged;
      return;
    }
    if (known) forget(query.number(0));
    const auto document = read_document_file(file.path, kFileBytesMax);
    if (!document) {
      ++change.skipped;
      return;
    }
    insert(place, valid_utf8(file.path.filename().string()), *document, file.modified, file.bytes);
    ++(known ? change.updated : change.added);
  }

  void insert(const std::string& place, const std::string& name, const IndexedFile& file, std::int64_t modified, std::int64_t bytes) {
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
  }

  void forget(std::int64_t id) {
    words_.forget(id);
    for (const char* sql : {"DELETE FROM documents WHERE id = ?1", "DELETE FROM texts WHERE id = ?1", "DELETE FROM sources WHERE id = ?1"}) {
      Statement(db_, sql).bind(1, id).run();
    }
  }

  std::string summary(std::int64_t id, PassageFinder& finder) {
    std::string text = text_head(db_, id, kRerankedBytes);
    Passage passage = finder.find(text);
    if (passage.score == 0 && text.size() == kRerankedBytes) {
      text = text_head(db_, id, kSnippetBytes);
      passage = finder.find(text);
    }
    return collapsed(neutral(valid_utf8(snippet(text, passage))));
  }

  Database db_;
  WordIndex words_;
  SegmentBuilder builder_;
  std::size_t text_bytes_ = 0;  // of the documents in it
};

LocalIndex::LocalIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalIndex::~LocalIndex() = default;

Result<std::unique_ptr<LocalIndex>> LocalIndex::open(const fs::path& path, Mode mode) {
  std::error_code failure;
  if (mode == Mode::kRead && !fs::exists(path, failure)) {
    return Error{
        ErrorCode::kNotFound,
        path.string() + ": no index of local documents yet; make one with `toccata index add FOLDER`"};
  }
  if (mode == Mode::kWrite && path.has_parent_path()) fs::create_directories(path.parent_path(), failure);
  try {
    return std::unique_ptr<LocalIndex>(new LocalIndex(std::make_unique<Impl>(path, mode)));  // NOLINT: private constructor
  } catch (const Exception& e) {
    return e.error();
  }
}

Result<IndexChange> LocalIndex::add(const fs::path& root, const IndexProgress& progress) {
  std::error_code failure;
  const fs::path whole = fs::canonical(root, failure);
  if (failure) return Error{ErrorCode::kNotFound, root.string() + ": " + failure.message()};
  try {
    return impl_->add(whole, progress);
  } catch (const Exception& e) {
    return e.error();
  }
}

Result<int> LocalIndex::remove(const fs::path& root) {
  try {
    return impl_->remove(fs::weakly_canonical(root).string());
  } catch (const Exception& e) {
    return e.error();
  }
}

std::vector<IndexedDocument> LocalIndex::list() const { return impl_->list(); }

Result<std::vector<SearchHit>> LocalIndex::search(const std::string& query, int n_max, std::stop_token stop) {
  try {
    return impl_->search(query, static_cast<std::size_t>(std::max(n_max, 0)), stop);
  } catch (const Exception& e) {
    return e.error();
  }
}

Result<Document> LocalIndex::fetch(const std::string& url, std::stop_token) {
  try {
    return impl_->fetch(url);
  } catch (const Exception& e) {
    return e.error();
  }
}

}  // namespace toccata::tools
