// Runs as wholes: taking one over, forking, deleting, sweeping.
#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include "agent/store/ledger_impl.h"
#include "agent/store/run_id.h"

namespace toccata::store {
namespace {

RunCounts read_counts(Database& db, std::int64_t run) {
  Statement row(
      db,
      "SELECT (SELECT coalesce(max(step), 0) FROM steps WHERE " TOCCATA_ROWS_OF("?1") "),"
      " (SELECT count(*) FROM segments WHERE " TOCCATA_ROWS_OF("?1") "),"
      " (SELECT count(*) FROM messages WHERE " TOCCATA_ROWS_OF("?1") "),"
      " (SELECT count(*) FROM calls WHERE " TOCCATA_ROWS_OF("?1") "), (SELECT count(*) FROM notes WHERE run = ?1)"
  );
  row.bind(run).next();
  const auto count = [&](int column) { return static_cast<int>(row.integer(column)); };
  return {count(0), count(1), count(2), count(3), count(4)};
}

// What a fork shares. The user's message of a later turn stands behind the last step of the turn before and carries its
// number: it is left out.
constexpr const char* kCopies[] = {
    "INSERT INTO segments SELECT ?2 << 32 | seq, step, kind, tokens, tokens_blob FROM segments"
    " WHERE " TOCCATA_ROWS_OF("?1") " AND step <= ?3 AND (step < ?3 OR ?3 = 0 OR kind <> 'user')",
    "INSERT INTO steps SELECT ?2 << 32 | step, started_ms, finished_ms, prefilled, decoded, ended, first_token_ms"
    " FROM steps WHERE " TOCCATA_ROWS_OF("?1") " AND step <= ?3",
    "INSERT INTO messages SELECT ?2 << 32 | seq, step, role, name, channel, recipient, content_type,"
    " content, complete, content_blob FROM messages"
    " WHERE " TOCCATA_ROWS_OF("?1") " AND step <= ?3 AND (step < ?3 OR ?3 = 0 OR role <> 'user')",
    "INSERT INTO pieces SELECT ?2, seq, piece, text FROM pieces WHERE run = ?1"
    " AND seq IN (SELECT seq FROM messages WHERE " TOCCATA_ROWS_OF("?1") " AND step <= ?3)",
    "INSERT INTO calls (key, step, recipient, arguments, effect, idempotency_key, started_ms,"
    " finished_ms, status, author, content, metadata, arguments_blob, content_blob, full_blob, sandbox_cpu_us)"
    " SELECT ?2 << 32 | call, step, recipient, arguments, effect, idempotency_key, started_ms,"
    " finished_ms, status, author, content, metadata, arguments_blob, content_blob,"
    " full_blob, sandbox_cpu_us FROM calls WHERE " TOCCATA_ROWS_OF("?1") " AND step <= ?3",
    "INSERT INTO files SELECT ?2, call, path, size, bytes, bytes_blob FROM files WHERE run = ?1"
    " AND call IN (SELECT call FROM calls WHERE " TOCCATA_ROWS_OF("?1") " AND step <= ?3)",
    "INSERT INTO notes SELECT ?2, seq, step, at_ms, kind, detail FROM notes"
    " WHERE run = ?1 AND step <= ?3",
};

void delete_rows(Database& db, std::int64_t run) {
  const auto clear = [&](const char* table, const char* where) {
    Statement(db, (std::string("DELETE FROM ") + table + " WHERE " + where).c_str()).bind(run).run();
  };
  for (const char* table : {"segments", "steps", "messages", "calls"}) clear(table, TOCCATA_ROWS_OF("?1"));
  for (const char* table : {"pieces", "files", "notes"}) clear(table, "run = ?1");
  Statement(db, "DELETE FROM runs WHERE n = ?1").bind(run).run();
}

// The run and those it made, and they made.
std::vector<RunHandle> family_of(Database& db, const RunHandle& run) {
  Statement row(
      db,
      "WITH RECURSIVE family (n, id) AS (SELECT ?1, ?2 UNION"
      " SELECT runs.n, runs.id FROM runs JOIN family ON runs.caller = family.id AND runs.caller <> '')"
      " SELECT n, id FROM family"
  );
  std::vector<RunHandle> family;
  row.bind(run.n, run.id);
  while (row.next()) family.push_back({row.integer(0), row.text(1)});
  return family;
}

// The file and its write-ahead log.
std::int64_t bytes_of(const std::filesystem::path& ledger) {
  std::int64_t sum = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code missing;
    const auto bytes = std::filesystem::file_size(ledger.string() + suffix, missing);
    if (!missing) sum += static_cast<std::int64_t>(bytes);
  }
  return sum;
}

// `change` in one transaction; its error, or the file's, as a Result.
template <class T, class Change>
Result<T> transact(Database& db, Change change) {
  try {
    Transaction transaction(db);
    Result<T> result = change();
    if (result) transaction.commit();
    return result;
  } catch (const Exception& failure) {
    return failure.error();
  }
}

}  // namespace

Result<void> check_not_written(Database& db, const RunHandle& run, std::string_view self) {
  Statement row(db, "SELECT process, finished_ms IS NOT NULL FROM runs WHERE n = ?1");
  row.bind(run.n).next();
  const std::string process = row.text(0);
  if (row.integer(1) != 0 || process == self || !is_alive(process)) return {};
  return Error{
      ErrorCode::kUnavailable,
      "run " + run.id + " is being written by process " + process.substr(0, process.find(':')) +
          ": wait for it, or stop it first"};
}

Result<RunWriter> Ledger::open_run(std::string_view id) {
  return transact<RunWriter>(impl_->db, [&]() -> Result<RunWriter> {
    const Result<RunHandle> run = find_run(impl_->db, id);
    if (!run) return run.error();
    const Result<void> free = check_not_written(impl_->db, *run, impl_->self());
    if (!free) return free.error();
    impl_->write().reopen_run.bind(run->n, impl_->self()).run();
    return RunWriter::make(*this, run->n, run->id, read_counts(impl_->db, run->n));
  });
}

Result<std::string> Ledger::fork_run(std::string_view id, int step) {
  return transact<std::string>(impl_->db, [&]() -> Result<std::string> {
    const Result<RunHandle> run = find_run(impl_->db, id);
    if (!run) return run.error();
    const int last = read_counts(impl_->db, run->n).step;
    if (step < 0 || step > last) {
      return Error{
          ErrorCode::kInvalidArgument,
          "run " + run->id + " has steps 0 to " + std::to_string(last) + ", not " +
              std::to_string(step)};
    }
    const std::int64_t now = impl_->clock();
    Statement taken(impl_->db, "SELECT 1 FROM runs WHERE id = ?1");
    std::random_device random;
    std::string fork = make_run_id(now, random());
    while (taken.bind(fork).next()) fork = make_run_id(now, random());
    taken.reset();
    Statement insert(
        impl_->db,
        "INSERT INTO runs (id, created_ms, task, model, params, sandbox, process, parent,"
        " parent_step) SELECT ?2, ?3, task, model, params, sandbox, '', id, ?4 FROM runs"
        " WHERE n = ?1"
    );
    insert.bind(run->n, fork, now, step).run();
    const std::int64_t copy = insert.last_row();
    for (const char* sql : kCopies) Statement(impl_->db, sql).bind(run->n, copy, step).run();
    return fork;
  });
}

Result<void> Ledger::remove_run(std::string_view id) {
  try {
    Transaction transaction(impl_->db);
    const Result<RunHandle> run = find_run(impl_->db, id);
    if (!run) return run.error();
    const std::vector<RunHandle> family = family_of(impl_->db, *run);
    for (const RunHandle& member : family) {
      if (const Result<void> free = check_not_written(impl_->db, member, impl_->self()); !free) return free.error();
    }
    for (const RunHandle& member : family) delete_rows(impl_->db, member.n);
    transaction.commit();
    return {};
  } catch (const Exception& failure) {
    return failure.error();
  }
}

SweepResult Ledger::sweep(const SweepRule& rule) {
  SweepResult result;
  result.bytes_before = bytes_of(path());
  {
    Transaction transaction(impl_->db);
    if (rule.older_than_ms || rule.keep) {
      const std::int64_t before = impl_->clock() - rule.older_than_ms.value_or(0);
      Statement old(
          impl_->db,
          "SELECT n, id FROM runs WHERE caller = '' AND created_ms <= ?1 AND n NOT IN"
          " (SELECT n FROM runs WHERE caller = '' ORDER BY created_ms DESC, n DESC LIMIT ?2)"
      );
      old.bind(before, rule.keep.value_or(0));
      std::vector<RunHandle> runs;
      while (old.next()) runs.push_back({old.integer(0), old.text(1)});
      old.reset();
      for (const RunHandle& run : runs) {
        const std::vector<RunHandle> family = family_of(impl_->db, run);
        const bool written = std::any_of(family.begin(), family.end(), [&](const RunHandle& member) {
          return !check_not_written(impl_->db, member, {});
        });
        if (written) continue;
        for (const RunHandle& member : family) delete_rows(impl_->db, member.n);
        result.n_runs += static_cast<int>(family.size());
      }
    }
    impl_->db.execute(
        "DELETE FROM blobs WHERE n NOT IN (SELECT tokens_blob FROM segments WHERE tokens_blob > 0"
        " UNION SELECT content_blob FROM messages WHERE content_blob > 0"
        " UNION SELECT arguments_blob FROM calls WHERE arguments_blob > 0"
        " UNION SELECT content_blob FROM calls WHERE content_blob > 0"
        " UNION SELECT full_blob FROM calls WHERE full_blob > 0"
        " UNION SELECT bytes_blob FROM files WHERE bytes_blob > 0)"
    );
    result.n_blobs = sqlite3_changes(impl_->db.handle());
    transaction.commit();
  }
  impl_->db.execute("VACUUM");
  impl_->db.query_integer("PRAGMA wal_checkpoint(TRUNCATE)");
  result.bytes_after = bytes_of(path());
  return result;
}

}  // namespace toccata::store
