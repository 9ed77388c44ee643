// What Ledger and RunWriter share. Not for other folders.
#pragma once

#include "agent/store/ledger.h"
#include "agent/store/sqlite.h"

namespace toccata::store {

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
        add_segment(db, "INSERT INTO segments VALUES (?1, ?2, ?3, ?4, ?5)"),
        begin_step(db, "INSERT INTO steps (run, step, started_ms) VALUES (?1, ?2, ?3)"),
        finish_step(
            db,
            "UPDATE steps SET finished_ms = ?3, prefilled = ?4, decoded = ?5, ended = ?6"
            " WHERE run = ?1 AND step = ?2"
        ),
        add_message(
            db, "INSERT OR REPLACE INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ),
        add_piece(db, "INSERT INTO pieces VALUES (?1, ?2, ?3, ?4)"),
        drop_pieces(db, "DELETE FROM pieces WHERE run = ?1 AND seq = ?2"),
        begin_call(
            db,
            "INSERT INTO calls (run, call, step, recipient, arguments, effect, idempotency_key,"
            " started_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        ),
        finish_call(
            db,
            "UPDATE calls SET finished_ms = ?3, status = ?4, author = ?5, content = ?6, metadata = "
            "?7"
            " WHERE run = ?1 AND call = ?2"
        ),
        add_note(db, "INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5, ?6)") {}
  Statement reopen_run, finish_run, add_segment, begin_step, finish_step, add_message, add_piece,
      drop_pieces, begin_call, finish_call, add_note;
};

struct Ledger::Impl {
  Impl(const std::filesystem::path& path, WallClock wall_clock)
      : db(path), clock(std::move(wall_clock)) {}
  WriteStatements& write() {
    if (!statements) statements.emplace(db);
    return *statements;
  }
  Database db;
  WallClock clock;
  std::string process;  // filled by the first create_run
  std::optional<WriteStatements> statements;
};

}  // namespace toccata::store
