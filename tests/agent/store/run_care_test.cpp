// Runs as wholes: taken over, forked, deleted, swept; and large texts, kept once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "agent/store/ledger.h"
#include "agent/store/run_export.h"
#include "agent/store/run_json.h"
#include "tests/support/temp_folder.h"

namespace toccata::store {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

MessageRow message(std::string role, std::string content) {
  MessageRow row;
  row.role = std::move(role);
  row.content = std::move(content);
  return row;
}

class RunCareTest : public ::testing::Test {
 protected:
  void execute(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, &message), SQLITE_OK) << message;
    sqlite3_free(message);
    sqlite3_close(db);
  }
  std::int64_t count(const char* sql) {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    sqlite3_stmt* row = nullptr;
    sqlite3_prepare_v2(db, sql, -1, &row, nullptr);
    sqlite3_step(row);
    const std::int64_t n = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return n;
  }
  // A run of `n_steps` steps, each with a call whose result has `n_bytes`.
  std::string add_run(int n_steps, std::size_t n_bytes) {
    RunWriter run = ledger_->create_run({.task = "task", .model = "m"});
    run.append_tokens(SegmentKind::kPrompt, Tokens(300, 7));
    run.add_message(message("user", "task"));
    for (int step = 1; step <= n_steps; ++step) {
      run.begin_step(step);
      run.append_tokens(SegmentKind::kSampled, Tokens{1, 2, step});
      const int call = run.begin_call({.recipient = "f", .arguments = "{}", .effect = "pure"});
      const std::string result(n_bytes, static_cast<char>('a' + step));
      run.finish_call(call, {"ok", "f", result, "{}"});
      run.append_tokens(SegmentKind::kTool, Tokens(n_bytes / 4, step));
      run.add_message(message("tool", result));
      run.finish_step(10, 3, "call");
      run.commit();
    }
    run.finish({.exit_code = 0, .terminal_reason = "final", .final = "x"});
    return run.id();
  }

  testing::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "ledger.db";
  std::int64_t now_ = 1'790'000'000'000;
  std::unique_ptr<Ledger> ledger_ =
      Ledger::open(path_, [this] { return now_++; }).value_or_throw();
};

TEST_F(RunCareTest, LargeTextsStandInTheFileOnce) {
  const std::string id = add_run(5, 100'000);
  // Result and message of a call are one blob, its tokens another.
  EXPECT_EQ(count("SELECT count(*) FROM blobs"), 1 + 2 * 5);
  EXPECT_LT(count("SELECT sum(length(bytes)) FROM blobs"), 5 * 205'000 + 2000);
  const RunRecord run = ledger_->load_run(id).value_or_throw();
  EXPECT_EQ(run.messages[5].content, std::string(100'000, 'f'));
  EXPECT_EQ(run.calls[4].result->content, std::string(100'000, 'f'));
  EXPECT_EQ(run.timeline().size(), 300U + 5 * 25'003);
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(RunCareTest, AnyBytesMayStandInABlob) {
  RunWriter run = ledger_->create_run({.task = "t", .model = "m"});
  std::string bytes(5000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  run.add_message(message("tool", bytes));
  run.commit();
  EXPECT_EQ(ledger_->load_run("last").value_or_throw().messages[0].content, bytes);
}

TEST_F(RunCareTest, AForkSharesWhatIsLarge) {
  const std::string id = add_run(5, 100'000);
  const std::int64_t before = count("SELECT sum(length(bytes)) FROM blobs");
  for (int step = 0; step <= 5; ++step) {
    const std::string fork = ledger_->fork_run(id, step).value_or_throw();
    const RunRecord run = ledger_->load_run(fork).value_or_throw();
    EXPECT_EQ(run.summary.parent, id);
    EXPECT_EQ(run.summary.parent_step, step);
    EXPECT_EQ(run.summary.status, RunStatus::kInterrupted) << "it waits to be resumed";
    EXPECT_EQ(run.steps.size(), static_cast<std::size_t>(step));
    EXPECT_EQ(run.calls.size(), static_cast<std::size_t>(step));
    EXPECT_EQ(run.timeline().size(), 300U + static_cast<std::size_t>(step) * 25'003);
  }
  EXPECT_EQ(count("SELECT sum(length(bytes)) FROM blobs"), before);
  EXPECT_THAT(ledger_->check(), IsEmpty());
  const auto wrong = ledger_->fork_run(id, 6);
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("steps 0 to 5"));
}

TEST_F(RunCareTest, FilesOfTheSessionAreKeptAsEachCallLeftThem) {
  std::string plot(5000, '\0');
  for (std::size_t i = 0; i < plot.size(); ++i) plot[i] = static_cast<char>(i * 7);
  const auto file = [](std::string path, std::string bytes) { return SessionFile{std::move(path), bytes.size(), bytes}; };
  const auto call = [](RunWriter& run, int step, std::vector<SessionFile> files) {
    run.begin_step(step);
    const int number = run.begin_call({.recipient = "python", .arguments = "x", .effect = "effectful"});
    run.finish_call(number, {"ok", "python", "done", "{}", {}, std::move(files)});
    run.finish_step(1, 1, "call");
    run.commit();
  };
  std::string id;
  {
    RunWriter run = ledger_->create_run({.task = "t", .model = "m"});
    id = run.id();
    call(run, 1, {file("a.txt", "first"), file("d/plot.png", plot)});
    call(run, 2, {file("a.txt", "second"), file("empty", "")});
    call(run, 3, {{.path = "d/plot.png", .size = {}, .bytes = {}}});
    run.finish({.exit_code = 0, .terminal_reason = "final"});
  }
  const auto paths = [&](const std::string& run, std::optional<int> last) {
    std::vector<std::pair<std::string, std::uint64_t>> found;
    for (const SessionFile& f : ledger_->session_files(run, last).value_or_throw()) found.emplace_back(f.path, f.size.value());
    return found;
  };
  using Found = std::vector<std::pair<std::string, std::uint64_t>>;
  EXPECT_EQ(paths(id, {}), (Found{{"a.txt", 6}, {"empty", 0}}));
  EXPECT_EQ(paths(id, 1), (Found{{"a.txt", 5}, {"d/plot.png", 5000}}));
  EXPECT_EQ(paths(id, 0), Found{});
  EXPECT_EQ(ledger_->session_file(id, "a.txt").value_or_throw().bytes, "second");
  EXPECT_EQ(ledger_->session_file(id, "a.txt", 1).value_or_throw().bytes, "first");
  EXPECT_EQ(ledger_->session_file(id, "empty").value_or_throw().bytes, "");
  EXPECT_EQ(ledger_->session_file(id, "d/plot.png", 2).value_or_throw().bytes, plot);
  const auto gone = ledger_->session_file(id, "d/plot.png");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(gone.error().message, HasSubstr("d/plot.png"));
  EXPECT_EQ(ledger_->load_run(id).value_or_throw().calls[2].result->files, (std::vector<SessionFile>{{.path = "d/plot.png"}}));

  const std::string fork = ledger_->fork_run(id, 1).value_or_throw();
  EXPECT_EQ(paths(fork, {}), (Found{{"a.txt", 5}, {"d/plot.png", 5000}}));
  EXPECT_THAT(ledger_->check(), IsEmpty());
  ASSERT_TRUE(ledger_->remove_run(id));
  ledger_->sweep({});
  EXPECT_EQ(ledger_->session_file(fork, "d/plot.png").value_or_throw().bytes, plot) << "the fork uses it still";
  EXPECT_EQ(count("SELECT count(*) FROM files"), 2);
  ASSERT_TRUE(ledger_->remove_run(fork));
  ledger_->sweep({});
  EXPECT_EQ(count("SELECT count(*) FROM blobs"), 0);
}

TEST_F(RunCareTest, AWriterGoesOnWhereAnotherStopped) {
  const std::string id = add_run(2, 10);
  {
    RunWriter run = ledger_->open_run(id).value_or_throw();
    EXPECT_EQ(ledger_->load_run(id).value_or_throw().summary.status, RunStatus::kRunning);
    EXPECT_EQ(run.next_idempotency_key(), id + "/3");
    run.begin_step(3);
    run.append_tokens(SegmentKind::kSampled, Tokens{9});
    run.note("resumed", "");
    run.finish({.exit_code = 0, .terminal_reason = "final"});
  }
  EXPECT_EQ(ledger_->load_run(id).value_or_throw().steps.size(), 3U);
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(RunCareTest, ARunThatAnotherProcessWritesIsLeftAlone) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto ledger = Ledger::open(path_).value_or_throw();
    const RunWriter run = ledger->create_run({.task = "t", .model = "m"});
    (void)!write(fds[1], "x", 1);
    for (;;) pause();
  }
  char ready = 0;
  ASSERT_EQ(read(fds[0], &ready, 1), 1);
  const auto opened = ledger_->open_run("last");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(opened.error().message, HasSubstr(std::to_string(child)));
  EXPECT_FALSE(ledger_->remove_run("last"));
  EXPECT_EQ(ledger_->sweep({.older_than_ms = -1'000'000'000'000, .keep = 0}).n_runs, 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(ledger_->open_run("last"));
}

TEST_F(RunCareTest, DeletedRunsGiveTheirSpaceBack) {
  const std::string keep = add_run(2, 50'000);
  const std::string fork = ledger_->fork_run(keep, 1).value_or_throw();
  for (int i = 0; i < 5; ++i) {
    RunWriter run = ledger_->create_run({.task = "big", .model = "m"});
    run.add_message(message("user", std::string(1'000'000, static_cast<char>('0' + i))));
    run.finish({});
  }
  ASSERT_TRUE(ledger_->remove_run("last"));
  EXPECT_EQ(ledger_->list_runs().size(), 6U);
  now_ += 1000;
  const SweepResult swept = ledger_->sweep({.older_than_ms = 0, .keep = 2});
  EXPECT_EQ(swept.n_runs, 4);  // the two newest of the big ones stay
  EXPECT_LT(swept.bytes_after, swept.bytes_before / 2);
  EXPECT_EQ(ledger_->list_runs().size(), 2U);
  EXPECT_THAT(ledger_->check(), IsEmpty());
  EXPECT_EQ(ledger_->sweep({}).n_runs, 0) << "no rule, no run";
}

TEST_F(RunCareTest, TheCheckFindsDamagedBlobs) {
  add_run(1, 10'000);
  execute("UPDATE blobs SET bytes = x'00' WHERE n = 1");
  execute("DELETE FROM blobs WHERE n = 2");
  const auto defects = ledger_->check();
  EXPECT_THAT(defects, ::testing::Contains(HasSubstr("other bytes than its hash")));
  EXPECT_THAT(defects, ::testing::Contains(HasSubstr("is missing")));
}

TEST_F(RunCareTest, ALedgerOfVersion6IsUpgraded) {
  const std::string first = add_run(2, 10'000), id = add_run(2, 100);
  for (const auto& [table, place, columns] : std::vector<std::array<std::string, 3>>{
           {"segments", "seq", "step, kind, tokens, tokens_blob"},
           {"steps", "step", "started_ms, finished_ms, prefilled, decoded, ended, first_token_ms"},
           {"messages", "seq", "step, role, name, channel, recipient, content_type, content, complete, content_blob"},
           {"calls", "call", "step, recipient, arguments, effect, idempotency_key, started_ms, finished_ms, status, author, content,"
            " metadata, arguments_blob, content_blob, full_blob, sandbox_cpu_us"}}) {
    execute(("CREATE TABLE v6 (run INTEGER, " + place + " INTEGER, " + columns + ", PRIMARY KEY (run, " + place + ")) WITHOUT ROWID;"
            "INSERT INTO v6 SELECT run, " + place + ", " + columns + " FROM " + table + "; DROP TABLE " + table + ";"
            "ALTER TABLE v6 RENAME TO " + table).c_str());
  }
  execute("PRAGMA user_version = 6");
  ledger_ = Ledger::open(path_).value_or_throw();
  const RunRecord run = ledger_->load_run(id).value_or_throw();
  ASSERT_EQ(run.calls.size(), 2U);
  EXPECT_EQ(run.calls[0].result->sandbox_cpu_us, 0);
  EXPECT_EQ(run.summary.sandbox_cpu_us, 0);
  EXPECT_EQ(run.messages[2].content, std::string(100, 'c'));
  EXPECT_EQ(ledger_->load_run(first).value_or_throw().messages[2].content, std::string(10'000, 'c'));
  ledger_->open_run(id).value_or_throw().finish({});
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(RunCareTest, CpuTimeOfCallsIsKeptAndSummedAndForked) {
  RunWriter writer = ledger_->create_run({.task = "t", .model = "m"});
  writer.begin_step(1);
  for (const std::int64_t used : {1'500'000, 0, 250'000}) {
    const int call = writer.begin_call({.recipient = "python", .arguments = "1", .effect = "effectful"});
    CallResult result{.status = "ok", .author = "python", .content = "1"};
    result.sandbox_cpu_us = used;
    writer.finish_call(call, result);
  }
  writer.finish_step(0, 1, "stop");
  writer.finish({});
  const std::string fork = ledger_->fork_run(writer.id(), 1).value_or_throw();
  for (const std::string& id : {writer.id(), fork}) {
    const RunRecord run = ledger_->load_run(id).value_or_throw();
    EXPECT_EQ(run.summary.sandbox_cpu_us, 1'750'000);
    EXPECT_EQ(run.calls[0].result->sandbox_cpu_us, 1'500'000);
    EXPECT_EQ(run.calls[1].result->sandbox_cpu_us, 0);
    EXPECT_EQ(to_json(run.calls[2])["result"]["sandbox_cpu_us"], 250'000);
    EXPECT_FALSE(to_json(run.calls[1])["result"].contains("sandbox_cpu_us"));
    EXPECT_THAT(to_markdown(run), HasSubstr("CPU time in the sandbox: ` 1.75 s `"));
  }
  EXPECT_THAT(ledger_->check(), IsEmpty());
}

TEST_F(RunCareTest, RunsThatOthersMadeStandWithThemAndGoWithThem) {
  const std::string maker = add_run(1, 10), other = add_run(1, 10);
  const auto add_child = [&](const Caller& caller) {
    RunWriter run = ledger_->create_run({.task = "part", .model = "m", .caller = caller});
    run.finish({});
    return run.id();
  };
  const std::string second = add_child({maker, 2, 1}), first = add_child({maker, 1, 1});
  const std::string below = add_child({first, 1, 1});
  EXPECT_THROW(add_child({maker, 1, 1}), LedgerError) << "one run of a call and part";
  EXPECT_EQ(ledger_->list_runs().size(), 2U);
  EXPECT_EQ(ledger_->load_run("last").value_or_throw().summary.id, other);
  const auto children = ledger_->children_of(maker);
  ASSERT_EQ(children.size(), 2U);
  EXPECT_EQ(children[0].id, first) << "by call";
  EXPECT_EQ(children[1].caller, (Caller{maker, 2, 1}));
  EXPECT_EQ(ledger_->load_run(maker).value_or_throw().children.size(), 2U);
  EXPECT_EQ(ledger_->find_child({maker, 2, 1})->id, second);
  EXPECT_FALSE(ledger_->find_child({maker, 3, 1}));
  EXPECT_TRUE(ledger_->children_of("").empty()) << "runs nobody made are nobody's";
  EXPECT_THAT(ledger_->check(), IsEmpty());

  ledger_->remove_run(maker).value_or_throw();
  EXPECT_FALSE(ledger_->load_run(below));
  EXPECT_TRUE(ledger_->load_run(other));

  const std::string kept = add_child({other, 1, 1});
  EXPECT_EQ(ledger_->sweep({.older_than_ms = {}, .keep = 1}).n_runs, 0);
  EXPECT_TRUE(ledger_->load_run(kept)) << "it stays with its maker";
  EXPECT_EQ(ledger_->sweep({.older_than_ms = {}, .keep = 0}).n_runs, 2);
  EXPECT_FALSE(ledger_->load_run(kept));
}

}  // namespace
}  // namespace toccata::store
