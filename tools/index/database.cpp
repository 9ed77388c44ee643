#include "tools/index/database.h"

#include <chrono>
#include <thread>

namespace toccata::tools {
namespace {

constexpr int kBusyMs = 5000;

}  // namespace

Database::Database(const std::filesystem::path& path, Mode mode) : path_(path.string()) {
  sqlite3* db = nullptr;
  // Readers too need to write: the -shm file of the write-ahead log. Where they cannot, SQLite opens read-only by itself.
  const int flags = SQLITE_OPEN_READWRITE | (mode == Mode::kWrite ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  db_.reset(db);
  if (code != SQLITE_OK) {
    throw Exception(ErrorCode::kIo, path_ + ": " + (db == nullptr ? "cannot open" : sqlite3_errmsg(db)));
  }
  sqlite3_busy_timeout(db, kBusyMs);
}

void Database::run(const char* sql) {
  if (sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

// SQLite does not wait here by itself: each of two connections that both want to be the only one would wait for the other.
void Database::use_wal() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyMs);
  while (sqlite3_exec(handle(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr) != SQLITE_OK) {
    if (sqlite3_errcode(handle()) != SQLITE_BUSY || std::chrono::steady_clock::now() > deadline) fail();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::int64_t Database::number(const char* sql) {
  Statement query(*this, sql);
  return query.step() ? query.number(0) : 0;
}

void Database::fail() const {
  const int code = sqlite3_errcode(handle());
  if (code == SQLITE_BUSY) {
    throw Exception(ErrorCode::kUnavailable, path_ + ": another process is writing to it; try again when it has ended");
  }
  const ErrorCode kind = code == SQLITE_FULL                                  ? ErrorCode::kResourceExhausted
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ErrorCode::kCorrupt
                                                                              : ErrorCode::kIo;
  throw Exception(kind, path_ + ": " + sqlite3_errmsg(handle()));
}

Statement::Statement(Database& db, const char* sql) : db_(db) {
  if (sqlite3_prepare_v2(db.handle(), sql, -1, &statement_, nullptr) != SQLITE_OK) db.fail();
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) db_.fail();
  return false;
}

}  // namespace toccata::tools
