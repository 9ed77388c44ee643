// The reading half of Ledger.
#include <algorithm>
#include <limits>
#include <map>

#include "agent/store/ledger_impl.h"
#include "agent/store/process_identity.h"

namespace toccata::store {
namespace {

constexpr const char* kSummaryColumns =
    "SELECT n, id, created_ms, finished_ms, task, model, exit_code, terminal_reason, process,"
    " (SELECT count(*) FROM steps WHERE " TOCCATA_ROWS_OF("n") "),"
    " (SELECT count(*) FROM calls WHERE " TOCCATA_ROWS_OF("n") "),"
    " (SELECT coalesce(sum(sandbox_cpu_us), 0) FROM calls WHERE " TOCCATA_ROWS_OF("n") "), params, sandbox, message, final, usage, parent, parent_step,"
    " caller, caller_call, caller_part FROM runs ";

RunStatus status_of(const RunSummary& summary, const std::string& process) {
  if (summary.finished_ms) {
    return summary.exit_code == 0 ? RunStatus::kDone : RunStatus::kFailed;
  }
  return is_alive(process) ? RunStatus::kRunning : RunStatus::kInterrupted;
}

RunSummary read_summary(const Statement& row) {
  RunSummary summary;
  summary.id = row.text(1);
  summary.created_ms = row.integer(2);
  if (!row.is_null(3)) summary.finished_ms = row.integer(3);
  summary.task = row.text(4);
  summary.model = row.text(5);
  if (!row.is_null(6)) summary.exit_code = static_cast<int>(row.integer(6));
  summary.terminal_reason = row.text(7);
  summary.status = status_of(summary, row.text(8));
  summary.n_steps = static_cast<int>(row.integer(9));
  summary.n_calls = static_cast<int>(row.integer(10));
  summary.sandbox_cpu_us = row.integer(11);
  summary.parent = row.text(17);
  summary.parent_step = static_cast<int>(row.integer(18));
  summary.caller = {row.text(19), static_cast<int>(row.integer(20)), static_cast<int>(row.integer(21))};
  return summary;
}

std::optional<SegmentKind> kind_from(const std::string& name) {
  using enum SegmentKind;
  for (const SegmentKind kind : {kPrompt, kUser, kSampled, kTool, kForced, kEdited, kRollback}) {
    if (name == to_string(kind)) return kind;
  }
  return std::nullopt;
}

std::vector<Segment> read_segments(Database& db, std::int64_t run) {
  Statement row(
      db,
      "SELECT step, kind, coalesce((SELECT bytes FROM blobs WHERE n = tokens_blob), tokens)"
      " FROM segments WHERE " TOCCATA_ROWS_OF("?1") " ORDER BY key"
  );
  std::vector<Segment> segments;
  row.bind(run);
  while (row.next()) {
    const std::optional<SegmentKind> kind = kind_from(row.text(1));
    if (!kind) {
      throw LedgerError(
          ErrorCode::kCorrupt,
          "ledger " + db.path().string() + ": unknown kind of segment '" + row.text(1) + "'"
      );
    }
    segments.push_back({static_cast<int>(row.integer(0)), *kind, row.tokens(2)});
  }
  return segments;
}

std::vector<StepRow> read_steps(Database& db, std::int64_t run) {
  Statement row(
      db,
      "SELECT step, started_ms, finished_ms, prefilled, decoded, ended, first_token_ms FROM steps"
      " WHERE " TOCCATA_ROWS_OF("?1") " ORDER BY key"
  );
  std::vector<StepRow> steps;
  row.bind(run);
  while (row.next()) {
    steps.push_back(
        {static_cast<int>(row.integer(0)),
         row.integer(1),
         row.integer(2),
         row.is_null(6) ? std::nullopt : std::optional(row.integer(6)),
         row.integer(3),
         row.integer(4),
         row.text(5)}
    );
  }
  return steps;
}

std::vector<MessageRow> read_messages(Database& db, std::int64_t run) {
  std::map<std::int64_t, std::string> pieces;
  Statement piece(db, "SELECT seq, text FROM pieces WHERE run = ?1 ORDER BY seq, piece");
  piece.bind(run);
  while (piece.next()) pieces[piece.integer(0)] += piece.text(1);
  Statement row(
      db,
      "SELECT seq, step, role, name, channel, recipient, content_type,"
      " coalesce((SELECT bytes FROM blobs WHERE n = content_blob), content), complete"
      " FROM messages WHERE " TOCCATA_ROWS_OF("?1") " ORDER BY key"
  );
  std::vector<MessageRow> messages;
  row.bind(run);
  while (row.next()) {
    messages.push_back(
        {static_cast<int>(row.integer(1)),
         row.text(2),
         row.text(3),
         row.text(4),
         row.text(5),
         row.text(6),
         row.text(7) + pieces[row.integer(0)],
         row.integer(8) != 0}
    );
  }
  return messages;
}

std::optional<std::uint64_t> size_in(Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return static_cast<std::uint64_t>(row.integer(column));
}

std::vector<CallRow> read_calls(Database& db, std::int64_t run) {
  Statement row(
      db,
      "SELECT call, step, recipient,"
      " coalesce((SELECT bytes FROM blobs WHERE n = arguments_blob), arguments),"
      " effect, idempotency_key, started_ms, finished_ms, status, author,"
      " coalesce((SELECT bytes FROM blobs WHERE n = content_blob), content), metadata, sandbox_cpu_us"
      " FROM calls WHERE " TOCCATA_ROWS_OF("?1") " ORDER BY key"
  );
  std::vector<CallRow> calls;
  row.bind(run);
  while (row.next()) {
    CallRow call;
    call.call = static_cast<int>(row.integer(0));
    call.step = static_cast<int>(row.integer(1));
    call.intent = {row.text(2), row.text(3), row.text(4), row.text(5)};
    call.started_ms = row.integer(6);
    call.finished_ms = row.integer(7);
    if (!row.is_null(8)) {
      call.result = CallResult{row.text(8), row.text(9), row.text(10), row.text(11)};
      call.result->sandbox_cpu_us = row.integer(12);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

void read_files(Database& db, std::int64_t run, std::vector<CallRow>& calls) {
  Statement row(db, "SELECT call, path, size FROM files WHERE run = ?1 ORDER BY call, path");
  row.bind(run);
  auto call = calls.begin();
  while (row.next()) {
    call = std::find_if(call, calls.end(), [&](const CallRow& c) { return c.call >= row.integer(0); });
    if (call == calls.end()) return;
    if (call->call != row.integer(0) || !call->result) continue;
    call->result->files.push_back({row.text(1), size_in(row, 2), {}});
  }
}

std::vector<RunSummary> read_children(Database& db, std::string_view id) {
  Statement row(db, (std::string(kSummaryColumns) + "WHERE caller = ?1 AND caller <> '' ORDER BY caller_call, caller_part").c_str());
  std::vector<RunSummary> children;
  row.bind(id);
  while (row.next()) children.push_back(read_summary(row));
  return children;
}

std::vector<NoteRow> read_notes(Database& db, std::int64_t run) {
  Statement row(db, "SELECT step, at_ms, kind, detail FROM notes WHERE run = ?1 ORDER BY seq");
  std::vector<NoteRow> notes;
  row.bind(run);
  while (row.next()) {
    notes.push_back({static_cast<int>(row.integer(0)), row.integer(1), row.text(2), row.text(3)});
  }
  return notes;
}

// Ids that match what a person typed: the whole id, else its beginning, else its end.
std::vector<std::string> find_ids(Database& db, std::string_view typed) {
  const char* queries[] = {
      "SELECT id FROM runs WHERE id = ?1",
      "SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id DESC LIMIT 6",
      "SELECT id FROM runs WHERE substr(id, -length(?1)) = ?1 ORDER BY id DESC LIMIT 6",
  };
  std::vector<std::string> ids;
  if (typed == "last") {
    Statement newest(db, "SELECT id FROM runs WHERE caller = '' ORDER BY n DESC LIMIT 1");
    if (newest.next()) ids.push_back(newest.text(0));
    return ids;
  }
  if (typed.empty()) return ids;
  for (const char* sql : queries) {
    Statement row(db, sql);
    row.bind(typed);
    while (row.next()) ids.push_back(row.text(0));
    if (!ids.empty()) break;
  }
  return ids;
}

// One reading transaction, so that a run that is being written is seen at one moment.
class Snapshot {
 public:
  explicit Snapshot(Database& db) : db_(db) { db_.execute("BEGIN"); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() { sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr); }

 private:
  Database& db_;
};

RunRecord read_run(Database& db, const std::string& id) {
  Statement row(db, (std::string(kSummaryColumns) + "WHERE id = ?1").c_str());
  RunRecord record;
  TOCCATA_CHECK(row.bind(id).next(), "the id was found in this snapshot");
  const std::int64_t run = row.integer(0);
  record.summary = read_summary(row);
  record.params = row.text(12);
  record.sandbox = row.text(13);
  record.message = row.text(14);
  record.final = row.text(15);
  record.usage = row.text(16);
  record.segments = read_segments(db, run);
  record.steps = read_steps(db, run);
  record.messages = read_messages(db, run);
  record.calls = read_calls(db, run);
  read_files(db, run, record.calls);
  record.notes = read_notes(db, run);
  record.children = read_children(db, record.summary.id);
  return record;
}

// Rows that stand in order without gaps, beginning at `first`.
void check_numbering(
    Database& db,
    const char* table,
    const char* column,
    int first,
    std::vector<std::string>& defects
) {
  const std::string sql = std::string("SELECT runs.id FROM ") + table +
                          " JOIN runs ON runs.n = run GROUP BY run HAVING min(" + column + ") <> " +
                          std::to_string(first) + " OR max(" + column + ") <> count(*) - 1 + " +
                          std::to_string(first);
  Statement row(db, sql.c_str());
  while (row.next()) {
    defects.push_back("run " + row.text(0) + ": rows are missing in table " + table);
  }
}

void check_rollbacks(const RunRecord& record, std::vector<std::string>& defects) {
  Tokens log;
  for (const Segment& segment : record.segments) {
    if (segment.kind != SegmentKind::kRollback) {
      log.insert(log.end(), segment.tokens.begin(), segment.tokens.end());
      continue;
    }
    const bool matches = log.size() >= segment.tokens.size() &&
                         std::equal(segment.tokens.rbegin(), segment.tokens.rend(), log.rbegin());
    if (!matches) {
      defects.push_back("run " + record.summary.id + ": a rollback takes back other tokens");
      return;
    }
    log.resize(log.size() - segment.tokens.size());
  }
}

// Blobs that rows refer to and that are not there, or hold other bytes than their hash says.
void check_blobs(Database& db, std::vector<std::string>& defects) {
  const char* references[][2] = {
      {"segments", "tokens_blob"},
      {"messages", "content_blob"},
      {"calls", "arguments_blob"},
      {"calls", "content_blob"},
      {"calls", "full_blob"},
      {"files", "bytes_blob"}};
  for (const auto& [table, column] : references) {
    const std::string sql = std::string("SELECT runs.id FROM ") + table +
                            " JOIN runs ON runs.n = run WHERE " + column +
                            " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.n = " + column +
                            ") GROUP BY run";
    Statement row(db, sql.c_str());
    while (row.next()) {
      defects.push_back("run " + row.text(0) + ": a blob of table " + table + " is missing");
    }
  }
  Statement blob(db, "SELECT n, sha256, bytes FROM blobs ORDER BY n");
  while (blob.next()) {
    if (blob.text(1) != sha256(blob.text(2))) {
      defects.push_back("blob " + blob.text(0) + " has other bytes than its hash says");
    }
  }
}

}  // namespace

Result<RunHandle> find_run(Database& db, std::string_view typed) {
  const std::vector<std::string> ids = find_ids(db, typed);
  if (ids.empty()) {
    return Error{
        ErrorCode::kNotFound, "no run '" + std::string(typed) + "' in " + db.path().string()};
  }
  if (ids.size() > 1) {
    std::string message = "'" + std::string(typed) + "' means several runs:";
    for (const std::string& candidate : ids) message += " " + candidate;
    return Error{ErrorCode::kInvalidArgument, message + "; type more of the id"};
  }
  Statement row(db, "SELECT n FROM runs WHERE id = ?1");
  TOCCATA_CHECK(row.bind(ids.front()).next(), "the id was found in this transaction");
  return RunHandle{row.integer(0), ids.front()};
}

namespace {

// What `read` gives for the run a person means by `id`, seen at one moment; the file's failures as a Result.
template <class T, class Read>
Result<T> read_of(Database& db, std::string_view id, const Read& read) {
  try {
    Snapshot snapshot(db);
    const Result<RunHandle> run = find_run(db, id);
    if (!run) return run.error();
    return read(*run);
  } catch (const Exception& failure) {
    return failure.error();
  }
}

}  // namespace

std::vector<RunSummary> Ledger::list_runs(int limit, std::string_view older_than) const {
  Statement row(
      impl_->db,
      (std::string(kSummaryColumns) +
       "WHERE caller = '' AND (?2 = '' OR (created_ms, n) < (SELECT created_ms, n FROM runs WHERE id = ?2))"
       " ORDER BY created_ms DESC, n DESC LIMIT ?1")
          .c_str()
  );
  std::vector<RunSummary> runs;
  row.bind(limit, older_than);
  while (row.next()) runs.push_back(read_summary(row));
  return runs;
}

std::vector<RunSummary> Ledger::children_of(std::string_view id) const { return read_children(impl_->db, id); }

std::optional<RunSummary> Ledger::find_child(const Caller& caller) const {
  Statement row(
      impl_->db,
      (std::string(kSummaryColumns) + "WHERE caller = ?1 AND caller <> '' AND caller_call = ?2 AND caller_part = ?3").c_str()
  );
  if (!row.bind(caller.run, caller.call, caller.part).next()) return std::nullopt;
  return read_summary(row);
}

Result<RunRecord> Ledger::load_run(std::string_view id) const {
  return read_of<RunRecord>(impl_->db, id, [&](const RunHandle& run) { return read_run(impl_->db, run.id); });
}

Result<std::string> Ledger::call_output(std::string_view id, int call) const {
  return read_of<std::string>(impl_->db, id, [&](const RunHandle& run) -> Result<std::string> {
    Statement row(
        impl_->db,
        "SELECT coalesce((SELECT bytes FROM blobs WHERE n = full_blob),"
        " (SELECT bytes FROM blobs WHERE n = content_blob), content) FROM calls"
        " WHERE key = ?1 << 32 | ?2 AND status IS NOT NULL"
    );
    if (!row.bind(run.n, call).next()) {
      return Error{
          ErrorCode::kNotFound, "run " + run.id + " has no result of a call " + std::to_string(call)};
    }
    return row.text(0);
  });
}

Result<std::vector<SessionFile>> Ledger::session_files(std::string_view id, std::optional<int> call) const {
  return read_of<std::vector<SessionFile>>(impl_->db, id, [&](const RunHandle& run) -> Result<std::vector<SessionFile>> {
    // SQLite takes the other columns from the row with the maximum.
    Statement row(
        impl_->db,
        "SELECT path, size, max(call) FROM files WHERE run = ?1 AND call <= ?2 GROUP BY path ORDER BY path"
    );
    row.bind(run.n, call.value_or(std::numeric_limits<int>::max()));
    std::vector<SessionFile> files;
    while (row.next()) {
      if (const auto size = size_in(row, 1)) files.push_back({row.text(0), size, {}});
    }
    return files;
  });
}

Result<SessionFile> Ledger::session_file(
    std::string_view id, std::string_view path, std::optional<int> call
) const {
  return read_of<SessionFile>(impl_->db, id, [&](const RunHandle& run) -> Result<SessionFile> {
    Statement row(
        impl_->db,
        "SELECT size, coalesce((SELECT bytes FROM blobs WHERE n = bytes_blob), bytes) FROM files"
        " WHERE run = ?1 AND path = ?2 AND call <= ?3 ORDER BY call DESC LIMIT 1"
    );
    row.bind(run.n, path, call.value_or(std::numeric_limits<int>::max()));
    if (!row.next() || row.is_null(0)) {
      return Error{ErrorCode::kNotFound, "run " + run.id + " has no file '" + std::string(path) + "'"};
    }
    return SessionFile{std::string(path), size_in(row, 0), row.text(1)};
  });
}

std::vector<std::string> Ledger::check() const {
  std::vector<std::string> defects;
  try {
    Snapshot snapshot(impl_->db);
    Statement integrity(impl_->db, "PRAGMA integrity_check(20)");
    while (integrity.next()) {
      if (integrity.text(0) != "ok") defects.push_back(integrity.text(0));
    }
    check_numbering(impl_->db, "segments", "seq", 0, defects);
    check_numbering(impl_->db, "steps", "step", 1, defects);
    check_numbering(impl_->db, "messages", "seq", 0, defects);
    check_numbering(impl_->db, "calls", "call", 1, defects);
    check_numbering(impl_->db, "notes", "seq", 0, defects);
    check_blobs(impl_->db, defects);
    Statement row(impl_->db, "SELECT id FROM runs ORDER BY n");
    while (row.next()) check_rollbacks(read_run(impl_->db, row.text(0)), defects);
  } catch (const Exception& failure) {
    defects.push_back(failure.what());
  }
  return defects;
}

}  // namespace toccata::store
