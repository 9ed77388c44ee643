// What Ledger and RunWriter share. Not for other folders.
#pragma once

#include <span>
#include <string_view>

#include "agent/store/ledger.h"
#include "agent/store/process_identity.h"
#include "agent/store/sqlite.h"

// The rows of a run, "?1" or a column, in a table of log.sql.
#define TOCCATA_ROWS_OF(run) "key BETWEEN " run " << 32 AND " run " << 32 | 4294967295"

namespace toccata::store {

// From this size on a text or a segment stands in `blobs`: below, its hash and row would cost more than they save.
constexpr std::size_t kBlobBytes = 512;

// The statements of the writing path, prepared once for each connection.
struct WriteStatements {
  explicit WriteStatements(Database& db)
      : reopen_run(
            db,
            "UPDATE runs SET process = ?2, finished_ms = NULL, exit_code = NULL, terminal_reason = "
            "'',"
            " message = '' WHERE n = ?1"
        ),
        finish_run(
            db,
            "UPDATE runs SET finished_ms = ?2, exit_code = ?3, terminal_reason = ?4, message = ?5,"
            " final = ?6, usage = ?7 WHERE n = ?1"
        ),
        add_segment(db, "INSERT INTO segments VALUES (?1 << 32 | ?2, ?3, ?4, ?5, ?6)"),
        begin_step(db, "INSERT INTO steps (key, started_ms) VALUES (?1 << 32 | ?2, ?3)"),
        whole_step(
            db,
            "INSERT INTO steps VALUES (?1 << 32 | ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        ),
        finish_step(
            db,
            "UPDATE steps SET finished_ms = ?3, prefilled = prefilled + ?4, decoded = decoded + ?5,"
            " ended = ?6, first_token_ms = coalesce(first_token_ms, ?7)"
            " WHERE key = ?1 << 32 | ?2"
        ),
        add_message(
            db,
            "INSERT OR REPLACE INTO messages VALUES (?1 << 32 | ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        ),
        add_piece(db, "INSERT INTO pieces VALUES (?1, ?2, ?3, ?4)"),
        drop_pieces(db, "DELETE FROM pieces WHERE run = ?1 AND seq = ?2"),
        redo_pieces(db, "DELETE FROM pieces WHERE run = ?1 AND seq >= ?2"),
        redo_messages(db, "DELETE FROM messages WHERE key BETWEEN ?1 << 32 | ?2 AND ?1 << 32 | 4294967295"),
        begin_call(
            db,
            "INSERT INTO calls (key, step, recipient, arguments, effect, idempotency_key,"
            " started_ms, arguments_blob) VALUES (?1 << 32 | ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ),
        finish_call(
            db,
            "UPDATE calls SET finished_ms = ?3, status = ?4, author = ?5, content = ?6,"
            " metadata = ?7, content_blob = ?8, full_blob = ?9, sandbox_cpu_us = nullif(?10, 0) WHERE key = ?1 << 32 | ?2"
        ),
        add_file(db, "INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
        add_note(db, "INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
        find_blob(db, "SELECT n FROM blobs WHERE sha256 = ?1"),
        add_blob(db, "INSERT INTO blobs (sha256, bytes) VALUES (?1, ?2)") {}
  Statement reopen_run, finish_run, add_segment, begin_step, whole_step, finish_step, add_message, add_piece,
      drop_pieces, redo_pieces, redo_messages, begin_call, finish_call, add_file, add_note, find_blob, add_blob;
};

// The number of the blob with these bytes, which is added when it is new; none for what is too small to be one. Inside
// a transaction.
std::optional<std::int64_t> put_blob(WriteStatements& sql, std::span<const std::byte> bytes);

// 32 bytes.
std::string sha256(std::string_view bytes);

struct RunHandle {
  std::int64_t n = 0;
  std::string id;
};
// The run a person means by `typed`. Errors as for Ledger::load_run.
Result<RunHandle> find_run(Database& db, std::string_view typed);
// kUnavailable while another process than `self` writes it. Inside a transaction.
Result<void> check_not_written(Database& db, const RunHandle& run, std::string_view self);

struct Ledger::Impl {
  Impl(const std::filesystem::path& path, WallClock wall_clock)
      : db(path), clock(std::move(wall_clock)) {}
  WriteStatements& write() {
    if (!statements) statements.emplace(db);
    return *statements;
  }
  Database db;
  WallClock clock;
  const std::string& self() {
    if (process.empty()) process = this_process();
    return process;
  }
  std::string process;  // filled by self()
  std::optional<WriteStatements> statements;
};

}  // namespace toccata::store
