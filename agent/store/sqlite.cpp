#include "agent/store/sqlite.h"

#include <bit>
#include <chrono>
#include <cstring>
#include <thread>

#include "agent/store/gathered_wal.h"
#include "agent/store/ledger.h"

namespace toccata::store {
namespace {

constexpr int kBusyTimeoutMs = 5000;

struct Advice {
  ErrorCode code;
  const char* what_to_do;
};

Advice advice_for(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {ErrorCode::kResourceExhausted, "the disk is full: free some space"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kUnavailable, "another process has locked it for more than 5 s"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {
          ErrorCode::kCorrupt,
          "the file is damaged or not a ledger: move it away and start a new one"};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return {
          ErrorCode::kPermissionDenied,
          "file and folder must be writable: change the rights or name another place"};
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return {ErrorCode::kResourceExhausted, "out of memory, or a row is too large"};
    default:
      return {ErrorCode::kIo, "the file system or the ledger failed"};
  }
}

}  // namespace

Database::Database(std::filesystem::path path) : path_(std::move(path)) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path_.c_str(), &db, flags, gathering_vfs());
  db_.reset(db);
  check(code, "open");
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  // Pages (16 MB). A checkpoint waits for the disk twice, and a step writes less than ten pages.
  execute("PRAGMA wal_autocheckpoint = 8000");
  execute("PRAGMA synchronous = NORMAL");
  execute("PRAGMA cache_spill = OFF");  // gathering_vfs() asks for it
}

void Database::check(int code, std::string_view doing) const {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  const Advice advice = advice_for(code);
  const char* detail = db_ != nullptr ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code);
  throw LedgerError(
      advice.code,
      "ledger " + path_.string() + ": cannot " + std::string(doing) + " (" + detail + "); " +
          advice.what_to_do
  );
}

void Database::execute(const char* sql) {
  check(sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr), "write");
}

void Database::run(Prepared& statement, const char* sql) {
  if (!statement) {
    sqlite3_stmt* made = nullptr;
    const int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    statement.reset(made);
    check(code, "write");
  }
  const int code = sqlite3_step(statement.get());
  sqlite3_reset(statement.get());
  check(code, "write");
}

void Database::begin() { run(begin_, "BEGIN IMMEDIATE"); }
void Database::commit() { run(commit_, "COMMIT"); }

// SQLite does not call the busy handler here: two connections that both wait to become the only one would wait for
// each other. So this one steps back and tries again.
void Database::switch_to_wal() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyTimeoutMs);
  for (;;) {
    const int code =
        sqlite3_exec(db_.get(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() > deadline) {
      return check(code, "write");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::int64_t Database::query_integer(const char* sql) {
  Statement statement(*this, sql);
  return statement.next() ? statement.integer(0) : 0;
}

Statement::Statement(Database& database, const char* sql) : database_(&database) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      database.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr
  );
  statement_.reset(statement);
  database.check(code, "read");
}

bool Statement::next() {
  const int code = sqlite3_step(get());
  database_->check(code, sqlite3_stmt_readonly(get()) != 0 ? "read" : "write");
  return code == SQLITE_ROW;
}

void Statement::run() {
  next();
  reset();
}

void Statement::reset() { sqlite3_reset(get()); }

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(get(), column))};
}

Tokens Statement::tokens(int column) const {
  static_assert(std::endian::native == std::endian::little, "the ledger stores little endian");
  const void* data = sqlite3_column_blob(get(), column);
  const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(get(), column));
  Tokens tokens(bytes / sizeof(Token));
  if (!tokens.empty()) std::memcpy(tokens.data(), data, tokens.size() * sizeof(Token));
  return tokens;
}

void Statement::bind_one(int index, std::int64_t value) {
  database_->check(sqlite3_bind_int64(get(), index, value), "write");
}

void Statement::bind_one(int index, std::string_view value) {
  const char* data = value.data() != nullptr ? value.data() : "";
  const int code =
      sqlite3_bind_text64(get(), index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8);
  database_->check(code, "write");
}

void Statement::bind_one(int index, const std::optional<std::int64_t>& value) {
  if (value) return bind_one(index, *value);
  database_->check(sqlite3_bind_null(get(), index), "write");
}

void Statement::bind_one(int index, std::span<const Token> tokens) {
  bind_one(index, std::as_bytes(tokens));
}

void Statement::bind_one(int index, std::span<const std::byte> bytes) {
  static const std::byte kNothing{};
  const void* data = bytes.empty() ? &kNothing : bytes.data();
  database_->check(sqlite3_bind_blob64(get(), index, data, bytes.size(), SQLITE_STATIC), "write");
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.begin();
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.commit();
  open_ = false;
}

}  // namespace toccata::store
