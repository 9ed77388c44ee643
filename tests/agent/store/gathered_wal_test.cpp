#include "agent/store/gathered_wal.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <string>

#include "agent/store/sqlite.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/temp_folder.h"

namespace toccata::store {
namespace {

using testing::Fault;
using testing::FaultyDisk;

std::string text_of(Database& db, const char* sql) {
  Statement statement(db, sql);
  return statement.next() ? statement.text(0) : "";
}

// Connections to one database in WAL mode.
class GatheredWalTest : public ::testing::Test {
 protected:
  GatheredWalTest() {
    FaultyDisk::install();
    FaultyDisk::arm(Fault::kNone, 0);
    auto first = open();
    first.switch_to_wal();
    for (const char* table : {"a", "b", "c"}) {
      first.execute((std::string("CREATE TABLE ") + table + " (n INTEGER PRIMARY KEY, t TEXT)").c_str());
    }
  }
  Database open() const { return Database(folder_ / "x.db"); }

  const testing::TempFolder folder_;
};

// One row in each of three tables: three frames or more.
void insert_rows(Database& db, int bytes) {
  for (const char* table : {"a", "b", "c"}) {
    db.execute((std::string("INSERT INTO ") + table + " (t) VALUES (hex(zeroblob(" + std::to_string(bytes) + ")))").c_str());
  }
}

TEST_F(GatheredWalTest, ACommitIsOneWrite) {
  Database db = open();
  insert_rows(db, 10);  // the first one begins the log
  FaultyDisk::arm(Fault::kNone, 0);
  Transaction transaction(db);
  insert_rows(db, 10);
  EXPECT_EQ(FaultyDisk::n_operations(), 0);
  transaction.commit();
  EXPECT_EQ(FaultyDisk::n_operations(), 1);
}

TEST_F(GatheredWalTest, WhatDoesNotFitGoesOutInParts) {
  Database db = open();
  Transaction transaction(db);
  insert_rows(db, 200'000);
  transaction.commit();
  EXPECT_GT(FaultyDisk::n_operations(), 3);
  Database reader = open();
  EXPECT_EQ(reader.query_integer("SELECT sum(length(t)) FROM (SELECT t FROM a UNION ALL SELECT t FROM b UNION ALL SELECT t FROM c)"), 1'200'000);
  EXPECT_EQ(text_of(reader, "PRAGMA integrity_check"), "ok");
}

TEST_F(GatheredWalTest, AFailedCommitCanBeTriedAgain) {
  Database db = open();
  for (const int bytes : {10, 200'000}) {
    FaultyDisk::arm(Fault::kDiskFull, 1);
    EXPECT_THROW(
        {
          Transaction transaction(db);
          insert_rows(db, bytes);
          transaction.commit();
        },
        Exception
    );
    FaultyDisk::arm(Fault::kNone, 0);
    Transaction transaction(db);
    insert_rows(db, bytes);
    transaction.commit();
  }
  Database reader = open();
  EXPECT_EQ(reader.query_integer("SELECT count(*) FROM a"), 2);
  EXPECT_EQ(text_of(reader, "PRAGMA integrity_check"), "ok");
}

// Commits, rollbacks, readers and checkpoints of three connections in turn, small and large.
TEST_F(GatheredWalTest, ConnectionsInTurnSeeWhatTheOthersCommitted) {
  std::mt19937 random(5);
  std::vector<Database> all;
  for (int i = 0; i < 3; ++i) all.push_back(open());
  std::int64_t n_rows = 0;
  for (int turn = 0; turn < 600; ++turn) {
    Database& db = all[random() % all.size()];
    const bool commits = random() % 4 != 0;
    {
      Transaction transaction(db);
      insert_rows(db, random() % 8 == 0 ? 60'000 : static_cast<int>(random() % 3000));
      if (commits) transaction.commit();
    }
    n_rows += commits ? 1 : 0;
    if (random() % 40 == 0) Statement(db, random() % 2 == 0 ? "PRAGMA wal_checkpoint(TRUNCATE)" : "PRAGMA wal_checkpoint").next();
    ASSERT_EQ(all[random() % all.size()].query_integer("SELECT count(*) FROM c"), n_rows) << "turn " << turn;
  }
  EXPECT_EQ(text_of(all[0], "PRAGMA integrity_check"), "ok");
}

// Processes that write at the same time, and one that is killed in the middle of it again and again.
TEST_F(GatheredWalTest, ProcessesWriteSideBySideAndAreKilled) {
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Database db = open();
      for (int n = 0; n < 200; ++n) {
        Transaction transaction(db);
        insert_rows(db, n % 9 == 0 ? 40'000 : 500);
        transaction.commit();
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (int kill = 0; kill < 20; ++kill) {
    const pid_t child = fork();
    if (child == 0) {
      FaultyDisk::arm(Fault::kKillInTheMiddle, 3 + kill, 1 + kill % 7);
      Database db = open();
      for (;;) {
        Transaction transaction(db);
        insert_rows(db, 500);
        transaction.commit();
      }
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  Database db = open();
  EXPECT_EQ(text_of(db, "PRAGMA integrity_check"), "ok");
  EXPECT_GE(db.query_integer("SELECT count(*) FROM a"), 600);
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM a"), db.query_integer("SELECT count(*) FROM c"));
}

}  // namespace
}  // namespace toccata::store
