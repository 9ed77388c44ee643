// A thin RAII layer over SQLite: just what the ledger needs. Errors are Exceptions that name the file and say what
// to do.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::store {

// One connection; one thread at a time.
class Database {
 public:
  // Creates the file when it is missing.
  explicit Database(std::filesystem::path path);
  sqlite3* handle() const { return db_.get(); }
  const std::filesystem::path& path() const { return path_; }

  // Runs statements that give no rows.
  void execute(const char* sql);
  // BEGIN IMMEDIATE and COMMIT, prepared once: see Transaction.
  void begin();
  void commit();
  // Write-ahead log: readers and the writer do not block each other. Waits for other processes that do the same.
  void switch_to_wal();
  // The first column of the first row.
  std::int64_t query_integer(const char* sql);
  // Throws for any result code that is not OK, ROW or DONE.
  void check(int code, std::string_view doing) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;
  void run(Prepared& statement, const char* sql);

  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> db_;
  Prepared begin_, commit_;  // behind db_: they go first
};

// One prepared statement. Texts given to bind() must live until the next run() or next() has returned.
//   Statement s(db, "SELECT id FROM runs WHERE n = ?1");
//   s.bind(n); while (s.next()) use(s.text(0));
class Statement {
 public:
  Statement(Database& database, const char* sql);

  // Binds ?1, ?2, ... in order.
  template <class... Values>
  Statement& bind(const Values&... values) {
    reset();
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }
  // Steps to the next row; false at the end.
  bool next();
  // Runs a statement that gives no rows and makes it ready for the next bind().
  void run();
  void reset();
  // The rowid of the row the last INSERT of this connection made.
  std::int64_t last_row() const { return sqlite3_last_insert_rowid(sqlite3_db_handle(get())); }

  std::int64_t integer(int column) const { return sqlite3_column_int64(get(), column); }
  bool is_null(int column) const { return sqlite3_column_type(get(), column) == SQLITE_NULL; }
  std::string text(int column) const;
  Tokens tokens(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3_stmt* get() const { return statement_.get(); }
  void bind_one(int index, std::int64_t value);
  void bind_one(int index, int value) { bind_one(index, std::int64_t{value}); }
  void bind_one(int index, bool value) { bind_one(index, std::int64_t{value}); }
  void bind_one(int index, std::string_view value);
  void bind_one(int index, const std::string& value) { bind_one(index, std::string_view(value)); }
  void bind_one(int index, const char* value) { bind_one(index, std::string_view(value)); }
  void bind_one(int index, std::span<const Token> tokens);
  void bind_one(int index, std::span<const std::byte> bytes);
  void bind_one(int index, const std::optional<std::int64_t>& value);  // none = NULL

  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// BEGIN IMMEDIATE ... COMMIT; rolls back when it goes out of scope uncommitted.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace toccata::store
