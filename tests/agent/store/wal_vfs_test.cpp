// What one connection commits through the gathering VFS, a plain one reads; also after rollbacks, savepoints and
// transactions that are larger than the cache.
#include "agent/store/wal_vfs.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <random>
#include <string>

#include "tests/support/temp_folder.h"

namespace toccata::store {
namespace {

struct Connection {
  Connection(const std::filesystem::path& path, const char* vfs) {
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
    (*this)("PRAGMA journal_mode = WAL");
    (*this)("PRAGMA synchronous = NORMAL");
  }
  ~Connection() { sqlite3_close_v2(db); }
  // The last value of the last row.
  std::string operator()(const std::string& sql) const {
    std::string last;
    char* failed = nullptr;
    const auto keep = [](void* to, int n, char** values, char**) {
      if (n > 0 && values[n - 1] != nullptr) *static_cast<std::string*>(to) = values[n - 1];
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), keep, &last, &failed), SQLITE_OK) << sql << ": " << (failed != nullptr ? failed : "");
    sqlite3_free(failed);
    return last;
  }
  sqlite3* db = nullptr;
};

TEST(WalVfsTest, APlainConnectionReadsWhatWasCommittedAndNothingElse) {
  ASSERT_NE(wal_vfs(), nullptr);
  const testing::TempFolder folder;
  const auto path = folder / "a.db";
  Connection ours(path, wal_vfs());
  const Connection plain(path, nullptr);
  ours("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)");
  for (int n = 1; n <= 50; ++n) {
    ours("BEGIN; INSERT INTO t VALUES (" + std::to_string(n) + ", zeroblob(3000))");
    EXPECT_EQ(plain("SELECT count(*) FROM t"), std::to_string(n - 1));
    ours("COMMIT");
    EXPECT_EQ(plain("SELECT count(*) FROM t"), std::to_string(n));
  }
  EXPECT_EQ(plain("PRAGMA integrity_check"), "ok");
}

TEST(WalVfsTest, LargeTransactionsSavepointsAndRollbacksLeaveASoundFile) {
  const testing::TempFolder folder;
  const auto path = folder / "a.db";
  std::mt19937 random(20261126);
  std::string left;
  {
    Connection ours(path, wal_vfs());
    const Connection plain(path, nullptr);
    ours("PRAGMA cache_size = 5; PRAGMA wal_autocheckpoint = 40");  // pages: frames are written before the commit
    ours("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)");
    for (int round = 0; round < 9; ++round) {
      ours("BEGIN");
      for (int i = 0; i < 40; ++i) {
        const std::string n = std::to_string(random() % 300);
        ours("INSERT OR REPLACE INTO t VALUES (" + n + ", randomblob(" + std::to_string(random() % 9000) + "))");
        if (i % 7 == 3) ours("SAVEPOINT s; UPDATE t SET x = randomblob(5000) WHERE n > 150; ROLLBACK TO s; RELEASE s");
      }
      ours(round % 3 == 2 ? "ROLLBACK" : "COMMIT");
      left = ours("SELECT sum(n * length(x)) FROM t");
      EXPECT_EQ(plain("SELECT sum(n * length(x)) FROM t"), left);
      EXPECT_EQ(plain("PRAGMA integrity_check"), "ok");
    }
  }
  EXPECT_EQ(Connection(path, nullptr)("SELECT sum(n * length(x)) FROM t"), left);
}

}  // namespace
}  // namespace toccata::store
