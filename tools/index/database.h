// A SQLite file of the tools, the index or kept pages: what they need of SQLite, and errors that name the file.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::tools {

// One connection; one thread at a time. Methods throw Exception: kUnavailable when another process holds the file for longer than
// five seconds, kResourceExhausted when the disk is full, kCorrupt, else kIo.
class Database {
 public:
  enum class Mode { kRead, kWrite };  // kWrite makes the file
  Database(const std::filesystem::path& path, Mode mode);
  sqlite3* handle() const { return db_.get(); }
  const std::string& path() const { return path_; }
  void run(const char* sql);
  // The write-ahead log, for readers beside a writer; any number of processes may do so at once.
  void use_wal();
  std::int64_t number(const char* sql);
  [[noreturn]] void fail() const;

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

// A prepared statement; values are bound from 1 and must live until the next step.
class Statement {
 public:
  Statement(Database& db, const char* sql);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int at, std::string_view text) {
    sqlite3_bind_text64(statement_, at, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }
  Statement& bind_bytes(int at, std::string_view bytes) {
    sqlite3_bind_blob64(statement_, at, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
    return *this;
  }
  Statement& bind(int at, std::int64_t number) {
    sqlite3_bind_int64(statement_, at, number);
    return *this;
  }
  Statement& bind_real(int at, double number) {
    sqlite3_bind_double(statement_, at, number);
    return *this;
  }
  // Whether there is a row.
  bool step();
  // Runs what gives no rows; ready for new values.
  void run() {
    step();
    sqlite3_reset(statement_);
  }
  void reset() { sqlite3_reset(statement_); }
  // Of a text or blob; valid until the next step.
  std::string_view bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return data == nullptr ? std::string_view() : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  std::string text(int column) const { return std::string(bytes(column)); }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  double real(int column) const { return sqlite3_column_double(statement_, column); }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  Database& db_;
  sqlite3_stmt* statement_ = nullptr;
};

// One state of the file for all that is read, or all or nothing of what is written; rolled back unless committed.
class Transaction {
 public:
  Transaction(Database& db, Database::Mode mode) : db_(db) { db_.run(mode == Database::Mode::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"); }
  ~Transaction() {
    if (open_) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    db_.run("COMMIT");
    open_ = false;
  }

 private:
  Database& db_;
  bool open_ = true;
};

}  // namespace toccata::tools
