// The ledger: what happened in every run, one SQLite file. Rows come before effects, so that after
// `kill -9` nothing that was printed or done is missing.
//
//   auto ledger = store::Ledger::open(path).value_or_throw();
//   store::RunWriter run = ledger->create_run({.task = "2+2?", .model = "nano"});
//   run.append_tokens(store::SegmentKind::kPrompt, tokens);
//   run.commit();                                        // now it survives
//   auto call = run.begin_call({.recipient = "python", .arguments = code, .effect = "effectful"});
//   // commits
//   ... run the tool ...
//   run.finish_call(call, {...});
//   run.finish({.exit_code = 0, .terminal_reason = "final", .final = "4"}); // commits
//
// WAL with synchronous=NORMAL: a commit survives the death of the process at any point; the last
// commits may be lost when the machine loses power, but the file stays consistent. Readers never
// block the writer. Failures of the file (full disk, locked, corrupt, not a ledger) are Exceptions:
// kResourceExhausted, kUnavailable, kCorrupt, kUnsupported, kIo, naming the file and what to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::store {

enum class RunStatus {
  kRunning,      // and its process is alive
  kDone,         // exit 0
  kFailed,       // ended by itself with another exit code
  kInterrupted,  // never ended, and its process is gone
};
const char* to_string(RunStatus status);

// The run that made another one for itself: a sub-agent of one of its calls, or a candidate for its answer.
struct Caller {
  std::string run = {};  // id; empty: a person or a program did
  int call = 0;          // its call; 0: none
  int part = 0;          // 1, 2, ...: which of those that one call, or none, made
  friend bool operator==(const Caller&, const Caller&) = default;
};

struct RunInfo {
  std::string task = {};      // the first user message
  std::string model = {};     // name
  std::string params = "{}";  // JSON object: sampling, limits, tools
  std::string sandbox = {};   // level reached
  Caller caller = {};
};

struct RunEnd {
  int exit_code = 0;
  std::string terminal_reason = {};
  std::string message = {};  // why, in plain words
  std::string final = {};
  std::string usage = "{}";  // JSON object
};

// Where tokens of the log came from.
enum class SegmentKind {
  kPrompt,  // system and developer messages
  kUser,
  kSampled,
  kTool,      // a rendered result
  kForced,    // written by the loop: `<|start|>assistant`, `<|end|>`, a forced header
  kEdited,    // what stood before a rollback, shortened: finished reasoning dropped, old outputs left out, a loop removed
  kRollback,  // the last n tokens were taken back; `tokens` holds them
};
const char* to_string(SegmentKind kind);

struct Segment {
  int step = 0;
  SegmentKind kind = SegmentKind::kPrompt;
  Tokens tokens;
  friend bool operator==(const Segment&, const Segment&) = default;
};

struct StepRow {
  int step = 0;  // 1, 2, ... over the whole run
  std::int64_t started_ms = 0, finished_ms = 0;
  std::optional<std::int64_t> first_token_ms = {};  // where prefill ended; none: nothing was sampled, or not known
  std::int64_t prefilled = 0, decoded = 0;
  std::string end;  // "call", "final", "limit", ...; empty while it runs
};

struct MessageRow {
  int step = 0;
  std::string role;
  std::string name, channel, recipient, content_type;  // empty: absent
  std::string content;
  bool complete = true;  // false: the process died, or the step ended, while it was being written
  friend bool operator==(const MessageRow&, const MessageRow&) = default;
};

struct CallIntent {
  std::string recipient = {};
  std::string arguments = {};
  std::string effect = {};           // "pure", "keyed", "effectful"
  std::string idempotency_key = {};  // empty: begin_call makes "<run>/<call>"
};
// A file of the session's /mnt/data as a call left it.
struct SessionFile {
  std::string path = {};                    // relative to /mnt/data
  std::optional<std::uint64_t> size = {};   // none: it is gone, or too large to be kept
  std::string bytes = {};                   // read by Ledger::session_file(), not by load_run()
  friend bool operator==(const SessionFile&, const SessionFile&) = default;
};

struct CallResult {
  // "ok", "failed", "stops_run", "refused", "unknown_tool", "malformed"; "unknown": the process died while the call
  // ran, and it could not be repeated
  std::string status;
  std::string author;
  std::string content;
  std::string metadata = "{}";
  // The whole output where `content` is only a part of it; read by Ledger::call_output(), not by load_run().
  std::string full_output = {};
  std::vector<SessionFile> files = {};  // that changed with it
  std::int64_t sandbox_cpu_us = 0;      // CPU time that its programs used in the sandbox
};
struct CallRow {
  int call = 0;  // 1, 2, ... over the whole run
  int step = 0;
  CallIntent intent;
  std::int64_t started_ms = 0;
  std::optional<CallResult> result;  // none: begun and never finished; its effect is unknown
  std::int64_t finished_ms = 0;
};

// A fact that stands in no other table: a warning of the parser, a nudge, an approval, a limit.
struct NoteRow {
  int step = 0;
  std::int64_t at_ms = 0;
  std::string kind, detail;
};

struct RunSummary {
  std::string id;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> finished_ms;
  std::string task, model;
  RunStatus status = RunStatus::kRunning;
  std::optional<int> exit_code;
  std::string terminal_reason;
  int n_steps = 0, n_calls = 0;
  std::int64_t sandbox_cpu_us = 0;  // of all calls
  std::string parent = {};  // id of the run this one was forked from; empty: none
  int parent_step = 0;      // the last step it shares with it
  Caller caller = {};
};

struct RunRecord {
  RunSummary summary;
  std::string params, sandbox, message, final, usage;
  std::vector<Segment> segments;
  std::vector<StepRow> steps;
  std::vector<MessageRow> messages;
  std::vector<CallRow> calls;
  std::vector<NoteRow> notes;
  std::vector<RunSummary> children;  // runs it made, by call and part
  // The token log as it stands: segments joined, rollbacks applied.
  Tokens timeline() const;
};

// What every failure of the file throws.
class LedgerError : public Exception {
 public:
  using Exception::Exception;
};

// Milliseconds since 1970.
using WallClock = std::function<std::int64_t()>;

// How many rows a run has, so that a writer can go on behind them.
struct RunCounts {
  int step = 0, n_segments = 0, n_messages = 0, n_calls = 0, n_notes = 0;
};

class Ledger;

// Writes one run. Changes are gathered in memory and written by commit() in one transaction, so the
// file is locked only for microseconds. Movable; one thread at a time; the ledger must outlive it.
class RunWriter {
 public:
  RunWriter(RunWriter&&) noexcept;
  RunWriter& operator=(RunWriter&&) noexcept;
  ~RunWriter();

  const std::string& id() const;

  // A further turn of a finished run: it counts as running again.
  void reopen();
  void begin_step(int step);
  // Goes on with a step that was begun and cut off; finish_step() then adds to its counters.
  void continue_step(int step);
  // Messages with number `first` and later will be written again by what follows, in the same transaction: used for the
  // messages of a step that was cut off. None may be open.
  void redo_messages(int first);
  // The first token of the step was sampled just now. Later calls in a step mean nothing.
  void first_token();
  void finish_step(std::int64_t prefilled, std::int64_t decoded, std::string_view end);
  void append_tokens(SegmentKind kind, std::span<const Token> tokens);
  void rollback(std::span<const Token> taken_back);

  // A message that grows: its header, then its text piece by piece, then the end. At most one is
  // open.
  void open_message(const MessageRow& header);
  void append_text(std::string_view text);
  void close_message(const MessageRow& whole);
  // A message that is known at once. Allowed only while none is open.
  void add_message(const MessageRow& message);

  // Commits before it returns. The number of the call.
  int begin_call(CallIntent intent);
  // The key begin_call would give the next call.
  std::string next_idempotency_key() const;
  void finish_call(int call, const CallResult& result);
  // A call that is answered without being run: intent and result in one commit. Its number.
  int record_call(CallIntent intent, const CallResult& result);
  void note(std::string_view kind, std::string_view detail);

  // Makes everything above durable against the death of the process. No-op when nothing is pending.
  void commit();
  // Commits. An open message stays as it is, marked incomplete.
  void finish(const RunEnd& end);

 private:
  friend class Ledger;
  class Impl;
  explicit RunWriter(std::unique_ptr<Impl> impl);
  static RunWriter make(Ledger& ledger, std::int64_t run, std::string id, const RunCounts& counts);
  std::unique_ptr<Impl> impl_;
};

// Which runs a sweep deletes: those that are not running and are both older than `older_than_ms` and not among the
// newest `keep`. The default deletes none.
struct SweepRule {
  std::optional<std::int64_t> older_than_ms;
  std::optional<int> keep;
};
struct SweepResult {
  int n_runs = 0, n_blobs = 0;
  std::int64_t bytes_before = 0, bytes_after = 0;  // of the file
};

// One connection. One thread at a time; any number of ledgers, in any number of processes, may
// share one file.
class Ledger {
 public:
  // Opens or creates the file (and its folder). ":memory:" keeps nothing.
  static Result<std::unique_ptr<Ledger>> open(
      const std::filesystem::path& path, WallClock clock = {}
  );
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Inserts and commits the run's row. A caller has one run of each call and part: a second one is a LedgerError.
  RunWriter create_run(const RunInfo& info);
  // Takes over a run that ended or was interrupted, to write on: it counts as running in this process. `id` as for
  // load_run. kUnavailable when another process is writing it; within one process the caller sees to it that a run has
  // one writer.
  Result<RunWriter> open_run(std::string_view id);
  // Copies everything up to the end of step `step` to a new run and gives its id; 0 = what stands before the first
  // model call. Large texts are shared, not copied. kInvalidArgument when the run has no such step.
  Result<std::string> fork_run(std::string_view id, int step);
  // Deletes a run, the runs it made, and their rows; sweep() gives the space back. kUnavailable when another process is
  // writing one of them.
  Result<void> remove_run(std::string_view id);
  // Deletes what SweepRule says (runs that others made go and stay with those), then the blobs nobody uses, then gives the space back to the file system.
  SweepResult sweep(const SweepRule& rule);
  // Newest first, without the runs that others made. `older_than`: a whole id; only runs behind it in that order, none when
  // it is gone.
  std::vector<RunSummary> list_runs(int limit = 50, std::string_view older_than = {}) const;
  // The runs that run `id` (whole) made, by call and part.
  std::vector<RunSummary> children_of(std::string_view id) const;
  // The one it made for this call and part.
  std::optional<RunSummary> find_child(const Caller& caller) const;
  // `id`: a whole id, the beginning of one, its end, or "last" (of those that no other made). kNotFound, or kInvalidArgument
  // naming the candidates when several match.
  Result<RunRecord> load_run(std::string_view id) const;
  // What a call's tool gave, whole: also where the model read only a part. kNotFound: no such call or no result.
  Result<std::string> call_output(std::string_view id, int call) const;
  // The files of /mnt/data after the last call, or after call `call`, without their bytes; those that are gone or were not
  // kept are left out. By path.
  Result<std::vector<SessionFile>> session_files(std::string_view id, std::optional<int> call = {}) const;
  // One of them with its bytes. kNotFound: there was no such file then.
  Result<SessionFile> session_file(
      std::string_view id, std::string_view path, std::optional<int> call = {}
  ) const;
  // Deletes nothing, reads everything: SQLite's own check plus ours. One sentence per defect; empty
  // = sound.
  std::vector<std::string> check() const;

  const std::filesystem::path& path() const;

 private:
  friend class RunWriter;
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace toccata::store
