#include "agent/store/ledger.h"

#include <chrono>
#include <random>

#include "agent/store/ledger_impl.h"
#include "agent/store/run_id.h"

extern "C" const char store_schema_begin[], store_schema_end[];

namespace toccata::store {
namespace {

constexpr std::int64_t kApplicationId = 0x546f6363;  // "Tocc"
constexpr std::int64_t kSchemaVersion = 6;

std::int64_t system_time_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void create_schema(Database& db) {
  Transaction transaction(db);
  // Another process may have been first.
  if (db.query_integer("PRAGMA user_version") == 0) {
    db.execute(std::string(store_schema_begin, store_schema_end).c_str());
    db.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
    db.execute(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
  }
  transaction.commit();
}

// From version 1, which had neither blobs nor forks.
void upgrade_from_1(Database& db) {
  Transaction transaction(db);
  if (db.query_integer("PRAGMA user_version") == 1) {
    db.execute(
        "ALTER TABLE runs ADD COLUMN parent TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE runs ADD COLUMN parent_step INTEGER NOT NULL DEFAULT 0;"
        "CREATE TABLE blobs (n INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE,"
        " bytes BLOB NOT NULL) STRICT;"
        "ALTER TABLE segments ADD COLUMN tokens_blob INTEGER;"
        "ALTER TABLE messages ADD COLUMN content_blob INTEGER;"
        "ALTER TABLE calls ADD COLUMN arguments_blob INTEGER;"
        "ALTER TABLE calls ADD COLUMN content_blob INTEGER;"
        "ALTER TABLE calls ADD COLUMN full_blob INTEGER;"
        "PRAGMA user_version = 2"
    );
  }
  transaction.commit();
}

// From version 2, which did not say when a step's first token came.
void upgrade_from_2(Database& db) {
  Transaction transaction(db);
  if (db.query_integer("PRAGMA user_version") == 2) {
    db.execute("ALTER TABLE steps ADD COLUMN first_token_ms INTEGER; PRAGMA user_version = 3");
  }
  transaction.commit();
}

// From version 3, which did not keep the session's files.
void upgrade_from_3(Database& db) {
  Transaction transaction(db);
  if (db.query_integer("PRAGMA user_version") == 3) {
    db.execute(
        "CREATE TABLE files (run INTEGER NOT NULL, call INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER,"
        " bytes BLOB NOT NULL, bytes_blob INTEGER, PRIMARY KEY (run, call, path)) STRICT, WITHOUT ROWID;"
        "PRAGMA user_version = 4"
    );
  }
  transaction.commit();
}

// From version 4, in which no run made others.
void upgrade_from_4(Database& db) {
  Transaction transaction(db);
  if (db.query_integer("PRAGMA user_version") == 4) {
    db.execute(
        "ALTER TABLE runs ADD COLUMN caller TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE runs ADD COLUMN caller_call INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE runs ADD COLUMN caller_part INTEGER NOT NULL DEFAULT 0;"
        "CREATE UNIQUE INDEX runs_made_by ON runs (caller, caller_call, caller_part) WHERE caller <> '';"
        "PRAGMA user_version = 5"
    );
  }
  transaction.commit();
}

// From version 5, which did not say how much CPU time calls used.
void upgrade_from_5(Database& db) {
  Transaction transaction(db);
  if (db.query_integer("PRAGMA user_version") == 5) {
    db.execute("ALTER TABLE calls ADD COLUMN sandbox_cpu_us INTEGER; PRAGMA user_version = 6");
  }
  transaction.commit();
}

struct Header {
  std::int64_t application = 0, version = 0;
  bool empty = false;
};

// In one read transaction: another process may be making the ledger this very moment.
Header read_header(Database& db) {
  db.execute("BEGIN");
  const Header header = {
      .application = db.query_integer("PRAGMA application_id"),
      .version = db.query_integer("PRAGMA user_version"),
      .empty = db.query_integer("SELECT count(*) FROM sqlite_schema") == 0,
  };
  db.execute("COMMIT");
  return header;
}

void prepare_file(Database& db) {
  const Header header = read_header(db);
  if (!header.empty && header.application != kApplicationId) {
    throw LedgerError(
        ErrorCode::kUnsupported,
        db.path().string() + " is an SQLite file but not a ledger; name another file"
    );
  }
  if (header.version > kSchemaVersion) {
    throw LedgerError(
        ErrorCode::kUnsupported,
        "ledger " + db.path().string() + " has version " + std::to_string(header.version) +
            ", this program knows up to " + std::to_string(kSchemaVersion) + ": update it"
    );
  }
  // A commit writes every page that it changes, and a step changes a few rows of each table.
  if (header.empty) db.execute("PRAGMA page_size = 2048");
  db.switch_to_wal();
  if (header.empty) create_schema(db);
  if (header.version == 1) upgrade_from_1(db);
  if (!header.empty && header.version < 3) upgrade_from_2(db);
  if (!header.empty && header.version < 4) upgrade_from_3(db);
  if (!header.empty && header.version < 5) upgrade_from_4(db);
  if (!header.empty && header.version < 6) upgrade_from_5(db);
}

}  // namespace

const char* to_string(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return "running";
    case RunStatus::kDone:
      return "done";
    case RunStatus::kFailed:
      return "failed";
    case RunStatus::kInterrupted:
      return "interrupted";
  }
  return "unknown";
}

const char* to_string(SegmentKind kind) {
  switch (kind) {
    case SegmentKind::kPrompt:
      return "prompt";
    case SegmentKind::kUser:
      return "user";
    case SegmentKind::kSampled:
      return "sampled";
    case SegmentKind::kTool:
      return "tool";
    case SegmentKind::kForced:
      return "forced";
    case SegmentKind::kEdited:
      return "edited";
    case SegmentKind::kRollback:
      return "rollback";
  }
  return "unknown";
}

Tokens RunRecord::timeline() const {
  Tokens timeline;
  for (const Segment& segment : segments) {
    if (segment.kind == SegmentKind::kRollback) {
      timeline.resize(timeline.size() - std::min(timeline.size(), segment.tokens.size()));
    } else {
      timeline.insert(timeline.end(), segment.tokens.begin(), segment.tokens.end());
    }
  }
  return timeline;
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::~Ledger() = default;

const std::filesystem::path& Ledger::path() const { return impl_->db.path(); }

Result<std::unique_ptr<Ledger>> Ledger::open(const std::filesystem::path& path, WallClock clock) {
  try {
    if (path.has_parent_path()) {
      std::error_code failed;
      std::filesystem::create_directories(path.parent_path(), failed);
      if (failed) {
        return Error{
            ErrorCode::kPermissionDenied,
            "cannot make the ledger's folder " + path.parent_path().string() + ": " +
                failed.message()};
      }
    }
    auto impl = std::make_unique<Impl>(path, clock ? std::move(clock) : system_time_ms);
    prepare_file(impl->db);
    return std::unique_ptr<Ledger>(new Ledger(std::move(impl)));
  } catch (const Exception& failure) {
    return failure.error();
  }
}

RunWriter Ledger::create_run(const RunInfo& info) {
  const std::int64_t now = impl_->clock();
  std::random_device random;
  Statement taken(impl_->db, "SELECT 1 FROM runs WHERE id = ?1");
  Statement insert(
      impl_->db,
      "INSERT INTO runs (id, created_ms, task, model, params, sandbox, process, caller, caller_call, caller_part)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
  );
  Transaction transaction(impl_->db);
  std::string id = make_run_id(now, random());
  while (taken.bind(id).next()) id = make_run_id(now, random());
  taken.reset();
  const Caller& caller = info.caller;
  insert
      .bind(id, now, info.task, info.model, info.params, info.sandbox, impl_->self(), caller.run, caller.call, caller.part)
      .run();
  const std::int64_t run = sqlite3_last_insert_rowid(impl_->db.handle());
  transaction.commit();
  return RunWriter::make(*this, run, id, {});
}

}  // namespace toccata::store
