#include "agent/store/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "agent/store/sqlite.h"
#include "tests/support/temp_folder.h"

namespace toccata::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::unique_ptr<Ledger> open(const std::filesystem::path& path, WallClock clock = {}) {
  return Ledger::open(path, std::move(clock)).value_or_throw();
}

MessageRow message(std::string role, std::string channel, std::string content) {
  MessageRow row;
  row.role = std::move(role);
  row.channel = std::move(channel);
  row.content = std::move(content);
  return row;
}

void sql(const std::filesystem::path& path, const char* statement) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, statement, nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

class LedgerTest : public ::testing::Test {
 protected:
  testing::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "data/ledger.db";
};

TEST_F(LedgerTest, GivesBackAWholeRun) {
  auto ledger = open(path_, [] { return 1'800'000'000'000; });
  RunWriter run = ledger->create_run(
      {.task = "2+2?", .model = "nano", .params = R"({"seed":1})", .sandbox = "full"}
  );
  run.append_tokens(SegmentKind::kPrompt, Tokens{1, 2});
  run.append_tokens(SegmentKind::kUser, Tokens{3});
  run.add_message(message("user", "", "2+2?"));
  run.begin_step(1);
  run.append_tokens(SegmentKind::kForced, Tokens{4});
  run.append_tokens(SegmentKind::kSampled, Tokens{5});
  run.append_tokens(SegmentKind::kSampled, Tokens{6, 7});
  const int call =
      run.begin_call({.recipient = "python", .arguments = "2+2", .effect = "effectful"});
  run.finish_call(call, {"ok", "python", "4", R"({"ms":1})"});
  run.rollback(Tokens{7});
  run.append_tokens(SegmentKind::kTool, Tokens{8});
  run.note("notice", "odd");
  run.finish_step(4, 3, "call");
  run.finish(
      {.exit_code = 0,
       .terminal_reason = "final",
       .message = "",
       .final = "4",
       .usage = R"({"a":1})"}
  );

  const RunRecord record = ledger->load_run(run.id()).value_or_throw();
  EXPECT_EQ(record.summary.id, run.id());
  EXPECT_EQ(record.summary.task, "2+2?");
  EXPECT_EQ(record.summary.model, "nano");
  EXPECT_EQ(record.summary.status, RunStatus::kDone);
  EXPECT_EQ(record.summary.exit_code, 0);
  EXPECT_EQ(record.summary.terminal_reason, "final");
  EXPECT_EQ(record.summary.created_ms, 1'800'000'000'000);
  EXPECT_EQ(record.summary.n_steps, 1);
  EXPECT_EQ(record.summary.n_calls, 1);
  EXPECT_EQ(record.params, R"({"seed":1})");
  EXPECT_EQ(record.sandbox, "full");
  EXPECT_EQ(record.final, "4");
  EXPECT_EQ(record.usage, R"({"a":1})");
  EXPECT_THAT(
      record.segments,
      ElementsAre(
          Segment{0, SegmentKind::kPrompt, {1, 2}},
          Segment{0, SegmentKind::kUser, {3}},
          Segment{1, SegmentKind::kForced, {4}},
          Segment{1, SegmentKind::kSampled, {5, 6, 7}},
          Segment{1, SegmentKind::kRollback, {7}},
          Segment{1, SegmentKind::kTool, {8}}
      )
  );
  EXPECT_EQ(record.timeline(), (Tokens{1, 2, 3, 4, 5, 6, 8}));
  EXPECT_THAT(record.messages, ElementsAre(message("user", "", "2+2?")));
  ASSERT_EQ(record.calls.size(), 1U);
  EXPECT_EQ(record.calls[0].intent.idempotency_key, run.id() + "/1");
  EXPECT_EQ(record.calls[0].step, 1);
  ASSERT_TRUE(record.calls[0].result);
  EXPECT_EQ(record.calls[0].result->content, "4");
  ASSERT_EQ(record.notes.size(), 1U);
  EXPECT_EQ(record.notes[0].detail, "odd");
  ASSERT_EQ(record.steps.size(), 1U);
  EXPECT_EQ(record.steps[0].prefilled, 4);
  EXPECT_EQ(record.steps[0].end, "call");
  EXPECT_THAT(ledger->check(), IsEmpty());
}

TEST_F(LedgerTest, SurvivesReopening) {
  std::string id;
  {
    auto ledger = open(path_);
    RunWriter run = ledger->create_run({.task = "a"});
    id = run.id();
    run.finish({.exit_code = 4, .terminal_reason = "budget", .message = "spent"});
  }
  const RunRecord record = open(path_)->load_run(id).value_or_throw();
  EXPECT_EQ(record.summary.status, RunStatus::kFailed);
  EXPECT_EQ(record.summary.exit_code, 4);
  EXPECT_EQ(record.message, "spent");
}

TEST_F(LedgerTest, AnOpenMessageIsReadableWhileItGrowsAndWholeWhenItEnds) {
  auto ledger = open(path_);
  auto reader = open(path_);
  RunWriter run = ledger->create_run({});
  run.begin_step(1);
  run.open_message(message("assistant", "final", ""));
  run.append_text("Hel");
  run.append_text("lo");
  run.commit();
  run.append_text(", wor");
  run.commit();
  RunRecord seen = reader->load_run(run.id()).value_or_throw();
  ASSERT_EQ(seen.messages.size(), 1U);
  EXPECT_EQ(seen.messages[0].content, "Hello, wor");
  EXPECT_FALSE(seen.messages[0].complete);

  run.append_text("ld");
  run.close_message(message("assistant", "final", "Hello, world"));
  run.add_message(message("tool", "commentary", "x"));
  run.commit();
  seen = reader->load_run(run.id()).value_or_throw();
  ASSERT_EQ(seen.messages.size(), 2U);
  EXPECT_EQ(seen.messages[0].content, "Hello, world");
  EXPECT_TRUE(seen.messages[0].complete);
  EXPECT_EQ(seen.messages[1].content, "x");
  EXPECT_THAT(reader->check(), IsEmpty());
}

TEST_F(LedgerTest, AMessageIsReadAsFarAsItCameHoweverItWasCut) {
  auto ledger = open(path_);
  const std::string text(3000, 'x');
  for (const std::size_t first : {0U, 1U, 511U, 512U, 3000U}) {
    RunWriter run = ledger->create_run({});
    run.begin_step(1);
    run.open_message(message("assistant", "final", ""));
    run.append_text(text.substr(0, first));
    run.commit();
    run.append_text(text.substr(first));
    run.commit();
    const RunRecord seen = ledger->load_run(run.id()).value_or_throw();
    ASSERT_EQ(seen.messages.size(), 1U);
    EXPECT_EQ(seen.messages[0].content, text) << first;
    EXPECT_FALSE(seen.messages[0].complete);
  }
  EXPECT_THAT(ledger->check(), IsEmpty());
}

TEST_F(LedgerTest, NothingIsWrittenBeforeCommit) {
  auto ledger = open(path_);
  auto reader = open(path_);
  RunWriter run = ledger->create_run({});
  run.append_tokens(SegmentKind::kPrompt, Tokens{1});
  EXPECT_THAT(reader->load_run(run.id()).value_or_throw().segments, IsEmpty());
  run.commit();
  EXPECT_EQ(reader->load_run(run.id()).value_or_throw().segments.size(), 1U);
}

TEST_F(LedgerTest, TheIntentOfACallIsThereBeforeItsResult) {
  auto ledger = open(path_);
  auto reader = open(path_);
  RunWriter run = ledger->create_run({});
  run.begin_step(1);
  EXPECT_EQ(run.next_idempotency_key(), run.id() + "/1");
  run.begin_call({.recipient = "mail.send", .arguments = "{}", .effect = "effectful"});
  EXPECT_EQ(run.next_idempotency_key(), run.id() + "/2");
  const RunRecord seen = reader->load_run(run.id()).value_or_throw();
  ASSERT_EQ(seen.calls.size(), 1U);
  EXPECT_EQ(seen.calls[0].intent.recipient, "mail.send");
  EXPECT_FALSE(seen.calls[0].result);
}

TEST_F(LedgerTest, ARunOfALivingProcessIsRunningAndOfAKilledOneInterrupted) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto ledger = open(path_);
    RunWriter run = ledger->create_run({.task = "child"});
    if (write(pipe_fds[1], run.id().data(), 10) != 10) _exit(1);
    pause();
    _exit(0);
  }
  std::string id(10, ' ');
  ASSERT_EQ(read(pipe_fds[0], id.data(), 10), 10);
  auto ledger = open(path_);
  EXPECT_EQ(ledger->load_run(id).value_or_throw().summary.status, RunStatus::kRunning);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(ledger->load_run(id).value_or_throw().summary.status, RunStatus::kInterrupted);
  EXPECT_EQ(ledger->list_runs().at(0).status, RunStatus::kInterrupted);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(LedgerTest, AReopenedRunCountsAsRunningAgain) {
  auto ledger = open(path_);
  RunWriter run = ledger->create_run({});
  run.finish({.exit_code = 0, .terminal_reason = "final", .message = {}, .final = "one"});
  run.reopen();
  run.commit();
  EXPECT_EQ(ledger->load_run("last").value_or_throw().summary.status, RunStatus::kRunning);
  run.finish({.exit_code = 1, .terminal_reason = "no_final"});
  EXPECT_EQ(ledger->load_run("last").value_or_throw().summary.status, RunStatus::kFailed);
}

TEST_F(LedgerTest, FindsRunsByBeginningEndAndLast) {
  std::int64_t now = 1'800'000'000'000;
  auto ledger = open(path_, [&now] { return now += 40'000'000; });
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(ledger->create_run({.task = std::to_string(i)}).id());
  EXPECT_EQ(ledger->load_run(ids[1])->summary.task, "1");
  EXPECT_EQ(ledger->load_run(ids[1].substr(0, 6))->summary.task, "1");
  EXPECT_EQ(ledger->load_run(ids[2].substr(4))->summary.task, "2");
  EXPECT_EQ(ledger->load_run("last")->summary.task, "2");

  const auto several = ledger->load_run(ids[0].substr(0, 1));
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().code, ErrorCode::kInvalidArgument);
  for (const std::string& id : ids) EXPECT_THAT(several.error().message, HasSubstr(id));
  for (const char* wrong : {"", "zzzz", "%", "_", "'"}) {
    const auto none = ledger->load_run(wrong);
    ASSERT_FALSE(none) << wrong;
    EXPECT_EQ(none.error().code, ErrorCode::kNotFound) << wrong;
  }
}

TEST_F(LedgerTest, ListsTheNewestFirst) {
  auto ledger = open(path_);
  for (int i = 0; i < 5; ++i) ledger->create_run({.task = std::to_string(i)});
  const auto runs = ledger->list_runs(2);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].task, "4");
  EXPECT_EQ(runs[1].task, "3");
}

TEST_F(LedgerTest, ListsPageByPageAlsoWhereTimesAreEqual) {
  auto ledger = open(path_, [] { return 1'800'000'000'000; });
  for (int i = 0; i < 5; ++i) ledger->create_run({.task = std::to_string(i)});
  std::string tasks, last;
  for (auto page = ledger->list_runs(2); !page.empty(); page = ledger->list_runs(2, last)) {
    for (const RunSummary& run : page) tasks += run.task;
    last = page.back().id;
  }
  EXPECT_EQ(tasks, "43210");
  EXPECT_THAT(ledger->list_runs(2, "no such run"), IsEmpty());
}

TEST_F(LedgerTest, KnowsWhenTheFirstTokenOfAStepCame) {
  std::int64_t now = 1'800'000'000'000;
  auto ledger = open(path_, [&] { return now; });
  RunWriter run = ledger->create_run({.task = "t"});
  run.begin_step(1);
  now += 300;
  run.first_token();
  now += 500;
  run.first_token();
  run.finish_step(10, 2, "call");
  run.begin_step(2);
  run.finish_step(0, 0, "limit");
  run.finish({});
  const auto steps = ledger->load_run("last").value_or_throw().steps;
  EXPECT_EQ(steps[0].started_ms + 300, steps[0].first_token_ms);
  EXPECT_EQ(steps[0].started_ms + 800, steps[0].finished_ms);
  EXPECT_FALSE(steps[1].first_token_ms);
  const std::string fork = ledger->fork_run("last", 2).value_or_throw();
  EXPECT_EQ(steps[0].first_token_ms, ledger->load_run(fork).value_or_throw().steps[0].first_token_ms);
}

TEST_F(LedgerTest, KeepsAnyBytesOfTexts) {
  auto ledger = open(path_);
  const std::string odd("a\0b\xff'\"", 6);
  RunWriter run = ledger->create_run({.task = odd});
  run.add_message(message("user", "", odd));
  run.commit();
  const RunRecord record = ledger->load_run(run.id()).value_or_throw();
  EXPECT_EQ(record.summary.task, odd);
  EXPECT_EQ(record.messages[0].content, odd);
}

TEST_F(LedgerTest, TwoWritersAndAReaderShareTheFile) {
  const auto write = [this](int n) {
    auto ledger = open(path_);
    RunWriter run = ledger->create_run({.task = std::to_string(n)});
    for (int i = 0; i < 200; ++i) {
      run.append_tokens(SegmentKind::kSampled, Tokens{i});
      run.commit();
    }
    run.finish({});
  };
  open(path_);
  std::thread first(write, 1), second(write, 2);
  auto reader = open(path_);
  for (int i = 0; i < 20; ++i) {
    for (const RunSummary& run : reader->list_runs()) {
      const auto record = reader->load_run(run.id);
      ASSERT_TRUE(record) << record.error().message;
    }
  }
  first.join();
  second.join();
  for (const RunSummary& run : reader->list_runs()) {
    Tokens expected;
    for (int i = 0; i < 200; ++i) expected.push_back(i);
    EXPECT_EQ(reader->load_run(run.id).value_or_throw().timeline(), expected);
  }
  EXPECT_THAT(reader->check(), IsEmpty());
}

TEST_F(LedgerTest, ManyProcessesMayBeTheFirstToOpenIt) {
  constexpr int kProcesses = 6;
  for (int round = 0; round < 20; ++round) {
    const std::filesystem::path path = folder_ / (std::to_string(round) + ".db");
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        auto ledger = Ledger::open(path);
        if (!ledger) ::_exit(1);
        RunWriter run = (*ledger)->create_run({.task = "t", .model = "m"});
        run.finish({.exit_code = 0, .terminal_reason = "final"});
        ::_exit(0);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = -1;
      ::waitpid(child, &status, 0);
      EXPECT_EQ(status, 0) << "round " << round;
    }
    EXPECT_EQ(open(path)->list_runs(100).size(), kProcesses);
  }
}

TEST_F(LedgerTest, RefusesAFileThatIsNoDatabase) {
  std::filesystem::create_directories(path_.parent_path());
  std::ofstream(path_) << std::string(5000, 'x');
  const auto ledger = Ledger::open(path_);
  ASSERT_FALSE(ledger);
  EXPECT_EQ(ledger.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(ledger.error().message, HasSubstr(path_.string()));
}

TEST_F(LedgerTest, RefusesAnotherProgramsDatabase) {
  std::filesystem::create_directories(path_.parent_path());
  sql(path_, "CREATE TABLE cats(name)");
  const auto ledger = Ledger::open(path_);
  ASSERT_FALSE(ledger);
  EXPECT_EQ(ledger.error().code, ErrorCode::kUnsupported);
}

TEST_F(LedgerTest, RefusesALedgerOfAnotherVersion) {
  for (const char* version : {"99", "5"}) {
    std::filesystem::remove(path_);
    open(path_);
    sql(path_, (std::string("PRAGMA user_version = ") + version).c_str());
    const auto ledger = Ledger::open(path_);
    ASSERT_FALSE(ledger);
    EXPECT_EQ(ledger.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(ledger.error().message, HasSubstr(std::string("version ") + version));
  }
}

TEST_F(LedgerTest, SaysWhenTheFolderCannotBeMade) {
  std::ofstream(folder_ / "file") << "x";
  const auto ledger = Ledger::open(folder_ / "file/inside/ledger.db");
  ASSERT_FALSE(ledger);
  EXPECT_EQ(ledger.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(LedgerTest, SaysWhenTheDiskIsFullAndKeepsWhatWasCommitted) {
  auto ledger = open(path_);
  RunWriter run = ledger->create_run({});
  run.append_tokens(SegmentKind::kPrompt, Tokens{1});
  run.commit();
  // A database that may not grow reports what a full disk does.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  run.append_tokens(SegmentKind::kSampled, Tokens(100'000, 7));
  try {
    run.commit();
    setrlimit(RLIMIT_FSIZE, &old);
    FAIL() << "wrote past the end of the disk";
  } catch (const Exception& failure) {
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_TRUE(failure.code() == ErrorCode::kResourceExhausted || failure.code() == ErrorCode::kIo)
        << failure.what();
    EXPECT_THAT(failure.what(), HasSubstr(path_.string()));
  }
  // With room again the same commit succeeds.
  run.commit();
  EXPECT_EQ(ledger->load_run(run.id()).value_or_throw().timeline().size(), 100'001U);
}

// Archives are opened without a ledger's own preparation.
TEST(DatabaseTest, EveryConnectionHasTheSameSettings) {
  const testing::TempFolder folder;
  Database db(folder / "a.db");
  EXPECT_EQ(db.query_integer("PRAGMA synchronous"), 1);
  EXPECT_EQ(db.query_integer("PRAGMA wal_autocheckpoint"), 8000);
  EXPECT_EQ(db.query_integer("PRAGMA busy_timeout"), 5000);
}

TEST_F(LedgerTest, TheCheckFindsMissingRows) {
  auto ledger = open(path_);
  RunWriter run = ledger->create_run({});
  for (int i = 0; i < 3; ++i) {
    run.append_tokens(SegmentKind::kSampled, Tokens{i});
    run.commit();
  }
  run.append_tokens(SegmentKind::kSampled, Tokens{8});
  run.rollback(Tokens{9});
  run.commit();
  sql(path_, "DELETE FROM segments WHERE seq = 1");
  const auto defects = ledger->check();
  ASSERT_EQ(defects.size(), 2U);
  EXPECT_THAT(defects[0], HasSubstr("rows are missing in table segments"));
  EXPECT_THAT(defects[1], HasSubstr("rollback"));
}

TEST_F(LedgerTest, KeepsNothingInMemory) {
  auto ledger = open(":memory:");
  ledger->create_run({.task = "x"}).finish({});
  EXPECT_EQ(ledger->list_runs().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(":memory:"));
}

}  // namespace
}  // namespace toccata::store
