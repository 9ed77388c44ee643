#include "agent/store/ledger.h"

#include <chrono>
#include <random>

#include "agent/store/ledger_impl.h"
#include "agent/store/run_id.h"

extern "C" const char store_schema_begin[], store_schema_end[], store_log_begin[], store_log_end[];

namespace toccata::store {
namespace {

constexpr std::int64_t kApplicationId = 0x546f6363;  // "Tocc"
constexpr std::int64_t kSchemaVersion = 7, kOldestVersion = 6;

std::int64_t system_time_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void create_schema(Database& db) {
  Transaction transaction(db);
  // Another process may have been first.
  if (db.query_integer("PRAGMA user_version") == 0) {
    db.execute(std::string(store_schema_begin, store_schema_end).c_str());
    db.execute(std::string(store_log_begin, store_log_end).c_str());
    db.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
    db.execute(("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
  }
  transaction.commit();
}

// Version 6 had the tables of log.sql clustered by two columns; all else is as it was.
void upgrade_from_6(Database& db) {
  constexpr struct {
    const char *name, *place, *others;
  } kTables[] = {
      {"segments", "seq", "step, kind, tokens, tokens_blob"},
      {"steps", "step", "started_ms, finished_ms, prefilled, decoded, ended, first_token_ms"},
      {"messages", "seq", "step, role, name, channel, recipient, content_type, content, complete, content_blob"},
      {"calls", "call",
       "step, recipient, arguments, effect, idempotency_key, started_ms, finished_ms, status, author, content, metadata,"
       " arguments_blob, content_blob, full_blob, sandbox_cpu_us"},
  };
  Transaction transaction(db);
  if (db.query_integer("PRAGMA user_version") == 6) {
    const auto execute = [&](const std::string& sql) { db.execute(sql.c_str()); };
    for (const auto& [name, place, others] : kTables) {
      execute(std::string("ALTER TABLE ") + name + " RENAME TO old_" + name);
    }
    execute(std::string(store_log_begin, store_log_end));
    for (const auto& [name, place, others] : kTables) {
      execute(
          std::string("INSERT INTO ") + name + " (key, " + others + ") SELECT run << 32 | " + place + ", " + others +
          " FROM old_" + name + " ORDER BY 1; DROP TABLE old_" + name
      );
    }
    execute("PRAGMA user_version = 7");
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
  if (!header.empty && header.version < kOldestVersion) {
    throw LedgerError(
        ErrorCode::kUnsupported,
        "ledger " + db.path().string() + " has version " + std::to_string(header.version) + ", this program reads " +
            std::to_string(kOldestVersion) + " and " + std::to_string(kSchemaVersion) +
            ": export its runs with the program that wrote it, or move it away"
    );
  }
  // A commit writes every page that it changes, and a step changes a few rows of each table.
  if (header.empty) db.execute("PRAGMA page_size = 2048");
  db.switch_to_wal();
  if (header.empty) create_schema(db);
  if (header.version == 6) upgrade_from_6(db);
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
