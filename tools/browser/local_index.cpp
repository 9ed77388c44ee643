#include "tools/browser/local_index.h"

#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/mapped_file.h"
#include "tools/browser/page_text.h"
#include "tools/browser/statement.h"

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kSchemaVersion = 1;
constexpr int kApplicationId = 0x746f6363;  // "tocc"
constexpr std::size_t kFileBytesMax = std::size_t{8} << 20;
constexpr std::size_t kQueryWordsMax = 12;

constexpr const char* kSchema = R"sql(
CREATE TABLE documents(
  id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
  html INTEGER NOT NULL, modified INTEGER NOT NULL, bytes INTEGER NOT NULL, source TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(title, body, tokenize = 'porter unicode61 remove_diacritics 2');
)sql";

bool is_word_byte(unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c >= 0x80; }

// The words of a query, quoted for FTS5: no text of a user or model is an operator.
std::vector<std::string> query_words(const std::string& query) {
  static const std::set<std::string, std::less<>> kCommon = {
      "a",  "an", "and", "are", "as", "at", "be", "by",  "do",   "does", "for",  "from", "how", "i",   "in",
      "is", "it", "of",  "on",  "or", "the", "to", "was", "what", "when", "where", "which", "who", "why", "with"};
  std::vector<std::string> words;
  std::vector<std::string> common;
  for (std::size_t i = 0; i < query.size();) {
    if (!is_word_byte(static_cast<unsigned char>(query[i]))) {
      ++i;
      continue;
    }
    std::string word;
    while (i < query.size() && is_word_byte(static_cast<unsigned char>(query[i]))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(query[i++])));
    }
    (kCommon.contains(word) ? common : words).push_back("\"" + word + "\"");
  }
  if (words.empty()) words = common;
  // The longest words are the rarest: many common ones joined by OR would read the whole index.
  if (words.size() > kQueryWordsMax) {
    std::stable_sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    words.resize(kQueryWordsMax);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

bool is_html(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".html" || extension == ".htm" || extension == ".xhtml";
}

bool is_binary(const std::string& text) {
  return text.substr(0, 8192).find('\0') != std::string::npos;
}

std::string file_url(const fs::path& path) {
  std::string url = "file://";
  for (const char c : path.string()) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view("/-._~").find(c) != std::string_view::npos) {
      url += c;
    } else {
      char escaped[4];
      std::snprintf(escaped, sizeof escaped, "%%%02X", byte);
      url += escaped;
    }
  }
  return url;
}

// The regular files at or below `root`, sorted; hidden folders are left out.
std::vector<fs::path> files_below(const fs::path& root) {
  std::error_code failure;
  if (fs::is_regular_file(fs::symlink_status(root, failure))) return {root};
  std::vector<fs::path> files;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator it(root, options, failure), end; it != end; it.increment(failure)) {
    if (failure) break;
    const std::string name = it->path().filename().string();
    if (name.starts_with('.')) {
      if (it->is_directory(failure)) it.disable_recursion_pending();
      continue;
    }
    if (fs::is_regular_file(it->symlink_status(failure))) files.push_back(it->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

class LocalIndex::Impl {
 public:
  Impl(sqlite3* db, std::string file) : db_(db), file_(std::move(file)) {}
  ~Impl() { sqlite3_close_v2(db_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void run(const char* sql) {
    char* message = nullptr;
    if (sqlite3_exec(db_, sql, nullptr, nullptr, &message) == SQLITE_OK) return;
    const std::string text = message == nullptr ? "error" : message;
    sqlite3_free(message);
    const int code = sqlite3_errcode(db_);
    throw Exception(
        code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? ErrorCode::kCorrupt : ErrorCode::kIo,
        file_ + ": " + text
    );
  }

  std::int64_t pragma(const char* sql) {
    Statement query(db_, sql);
    return query.step() ? query.number(0) : 0;
  }

  void prepare(Mode mode) {
    sqlite3_busy_timeout(db_, 5000);
    const std::int64_t application = pragma("PRAGMA application_id");
    const std::int64_t version = pragma("PRAGMA user_version");
    if (application == 0 && version == 0 && pragma("SELECT count(*) FROM sqlite_master") == 0 && mode == Mode::kWrite) {
      run("PRAGMA journal_mode = WAL");
      run("BEGIN IMMEDIATE");
      run(kSchema);
      run(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
      run(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
      run("COMMIT");
      return;
    }
    if (application != kApplicationId) {
      throw Exception(ErrorCode::kCorrupt, file_ + ": a SQLite file, but no document index of Toccata");
    }
    if (version != kSchemaVersion) {
      throw Exception(
          ErrorCode::kUnsupported, file_ + ": index version " + std::to_string(version) + ", this program reads version " +
                                       std::to_string(kSchemaVersion) + "; make it anew with `toccata index add`"
      );
    }
  }

  IndexChange add(const fs::path& root, const IndexProgress& progress) {
    const auto known = known_below(root);
    std::set<std::string> seen;
    IndexChange change;
    const auto files = files_below(root);
    run("BEGIN IMMEDIATE");
    try {
      for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string path = files[i].string();
        seen.insert(path);
        const auto old = known.find(path);
        add_file(files[i], old == known.end() ? nullptr : &old->second, change);
        if (progress) progress(i + 1, files.size(), path);
      }
      for (const auto& [path, state] : known) {
        if (seen.contains(path)) continue;
        forget(state.id);
        ++change.removed;
      }
      run("COMMIT");
    } catch (...) {
      sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
    return change;
  }

  int remove(const fs::path& root) {
    const auto known = known_below(root);
    run("BEGIN IMMEDIATE");
    for (const auto& [path, state] : known) forget(state.id);
    run("COMMIT");
    return static_cast<int>(known.size());
  }

  std::vector<IndexedDocument> list() {
    std::vector<IndexedDocument> documents;
    Statement query(db_, "SELECT id, url, title, bytes FROM documents ORDER BY url");
    while (query.step()) {
      documents.push_back(
          {query.number(0), query.text(1), query.text(2), static_cast<std::uint64_t>(query.number(3))}
      );
    }
    return documents;
  }

  std::vector<SearchHit> search(const std::string& query, int n_max) {
    const auto words = query_words(query);
    if (words.empty()) return {};
    // All words first; then any of them, for the places that are left.
    std::vector<SearchHit> hits = match(joined(words, " AND "), n_max);
    if (static_cast<int>(hits.size()) < n_max && words.size() > 1) {
      for (SearchHit& hit : match(joined(words, " OR "), n_max)) {
        const bool have = std::any_of(hits.begin(), hits.end(), [&](const SearchHit& h) { return h.url == hit.url; });
        if (!have && static_cast<int>(hits.size()) < n_max) hits.push_back(std::move(hit));
      }
    }
    return hits.empty() ? contains(query, n_max) : hits;
  }

  Result<Document> fetch(const std::string& url) {
    Statement query(db_, "SELECT url, title, source, html FROM documents WHERE url = ?1 OR path = ?1");
    query.bind(1, url);
    if (!query.step()) {
      return Error{ErrorCode::kNotFound, "not in the index of local documents"};
    }
    return Document{
        query.text(0), query.text(1), query.text(2),
        query.number(3) != 0 ? DocumentKind::kHtml : DocumentKind::kText};
  }

 private:
  struct State {
    std::int64_t id, modified, bytes;
  };

  std::map<std::string, State> known_below(const fs::path& root) {
    std::map<std::string, State> known;
    Statement query(
        db_,
        "SELECT path, id, modified, bytes FROM documents WHERE path = ?1 OR substr(path, 1, length(?2)) = ?2"
    );
    std::string folder = root.string();
    if (!folder.ends_with('/')) folder += '/';
    query.bind(1, root.string()).bind(2, folder);
    while (query.step()) known[query.text(0)] = {query.number(1), query.number(2), query.number(3)};
    return known;
  }

  void add_file(const fs::path& path, const State* old, IndexChange& change) {
    std::error_code failure;
    const auto bytes = static_cast<std::int64_t>(fs::file_size(path, failure));
    const auto modified = static_cast<std::int64_t>(fs::last_write_time(path, failure).time_since_epoch().count());
    if (old != nullptr && !failure && old->modified == modified && old->bytes == bytes) {
      ++change.unchanged;
      return;
    }
    auto source = read_text_file(path, kFileBytesMax);
    if (old != nullptr) forget(old->id);
    if (!source || is_binary(*source)) {
      ++change.skipped;
      return;
    }
    Document document{file_url(path), "", std::move(*source), is_html(path) ? DocumentKind::kHtml : DocumentKind::kText};
    std::string title = page_text(document).title;
    if (title.empty()) title = path.filename().string();
    Statement insert(
        db_,
        "INSERT INTO documents(path, url, title, html, modified, bytes, source) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    );
    insert.bind(1, path.string()).bind(2, document.url).bind(3, title);
    insert.bind(4, document.kind == DocumentKind::kHtml ? 1 : 0).bind(5, modified).bind(6, bytes).bind(7, document.source);
    insert.step();
    Statement words(db_, "INSERT INTO words(rowid, title, body) VALUES(?1, ?2, ?3)");
    words.bind(1, sqlite3_last_insert_rowid(db_)).bind(2, title).bind(3, plain_text(document)).step();
    ++(old == nullptr ? change.added : change.updated);
  }

  void forget(std::int64_t id) {
    Statement(db_, "DELETE FROM words WHERE rowid = ?1").bind(1, id).step();
    Statement(db_, "DELETE FROM documents WHERE id = ?1").bind(1, id).step();
  }

  std::vector<SearchHit> match(const std::string& expression, int n_max) {
    std::vector<SearchHit> hits;
    Statement query(
        db_,
        "SELECT d.url, d.title, snippet(words, 1, '', '', ' ... ', 28) FROM words JOIN documents d ON d.id = words.rowid "
        "WHERE words MATCH ?1 ORDER BY bm25(words, 4.0, 1.0), d.url LIMIT ?2"
    );
    query.bind(1, expression).bind(2, n_max);
    while (query.step()) hits.push_back({query.text(0), query.text(1), query.text(2)});
    return hits;
  }

  // Scripts that put no blanks between words are one long word to the index: look for the text itself.
  std::vector<SearchHit> contains(const std::string& text, int n_max) {
    const bool ascii = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
    if (ascii) return {};
    std::vector<SearchHit> hits;
    Statement query(
        db_,
        "SELECT d.url, d.title, substr(w.body, max(1, instr(w.body, ?1) - 60), 160) FROM words w JOIN documents d ON "
        "d.id = w.rowid WHERE instr(w.body, ?1) > 0 ORDER BY d.url LIMIT ?2"
    );
    query.bind(1, text).bind(2, n_max);
    while (query.step()) hits.push_back({query.text(0), query.text(1), query.text(2)});
    return hits;
  }

  sqlite3* db_;
  std::string file_;
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
  sqlite3* db = nullptr;
  const int flags = mode == Mode::kWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  if (sqlite3_open_v2(path.c_str(), &db, flags, nullptr) != SQLITE_OK) {
    const std::string message = path.string() + ": " + (db == nullptr ? "cannot open" : sqlite3_errmsg(db));
    sqlite3_close_v2(db);
    return Error{ErrorCode::kIo, message};
  }
  auto impl = std::make_unique<Impl>(db, path.string());
  try {
    impl->prepare(mode);
  } catch (const Exception& e) {
    return e.error();
  }
  return std::unique_ptr<LocalIndex>(new LocalIndex(std::move(impl)));  // NOLINT: private constructor
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
    return impl_->remove(fs::weakly_canonical(root));
  } catch (const Exception& e) {
    return e.error();
  }
}

std::vector<IndexedDocument> LocalIndex::list() const { return impl_->list(); }

Result<std::vector<SearchHit>> LocalIndex::search(const std::string& query, int n_max, std::stop_token) {
  try {
    return impl_->search(query, n_max);
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
