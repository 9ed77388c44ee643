#include "agent/task/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "agent/task/parse.h"
#include "agent/task/report.h"
#include "core/base/mapped_file.h"
#include "tests/agent/task/fake_host.h"
#include "tests/support/temp_folder.h"

namespace toccata::task {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using toccata::testing::FakeHost;
using toccata::testing::TempFolder;

constexpr const char* kTask =
    "name: sums\nparams: {a: integer}\nsteps:\n  - {id: s, prompt: 'p{{ params.a }}', assert: [{contains: ok}]}\n";

Task sums() { return parse_task(kTask, "t.yaml").task; }

std::vector<Row> rows_of(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += "{\"a\": " + std::to_string(i) + "}\n";
  auto rows = rows_from_jsonl(text, "rows.jsonl").value_or_throw();
  name_rows(sums(), {}, rows);
  return rows;
}

TEST(DatasetTest, ReadsCsv) {
  const auto rows = rows_from_csv("\xEF\xBB\xBFname,text\r\na,\"x, \"\"y\"\"\nz\"\r\n\r\nb,\n", "f.csv").value_or_throw();
  ASSERT_EQ(2u, rows.size());
  EXPECT_EQ(Value({{"name", "a"}, {"text", "x, \"y\"\nz"}}), rows[0].value);
  EXPECT_EQ(Value({{"name", "b"}, {"text", ""}}), rows[1].value);
  EXPECT_EQ(5u, rows[1].number);
  const auto error = [](const char* text) { return rows_from_csv(text, "f.csv").error().message; };
  EXPECT_THAT(error("a,b\n1\n"), HasSubstr("f.csv:2: found 1 cells, expected 2"));
  EXPECT_THAT(error("a,a\n"), HasSubstr("there once"));
  EXPECT_THAT(error("a\n\"x"), HasSubstr("never closed"));
  EXPECT_THAT(error("a\n\"x\"y\n"), HasSubstr("behind a closing quote"));
}

TEST(DatasetTest, ReadsJsonLines) {
  EXPECT_EQ(2u, rows_from_jsonl("{\"a\": 1}\n\n{\"a\": 2}", "f").value_or_throw().size());
  EXPECT_THAT(rows_from_jsonl("{}\n[1]\n", "f").error().message, HasSubstr("f:2: found a list"));
  EXPECT_THAT(rows_from_jsonl("{", "f").error().message, HasSubstr("f:1: found no JSON"));
}

TEST(DatasetTest, ShardsAreEveryRowOnceWithItsKey) {
  const auto all = rows_of(7);
  std::vector<std::string> keys;
  for (const char* text : {"0/3", "1/3", "2/3"}) {
    auto rows = rows_of(7);
    keep_shard(parse_shard(text).value_or_throw(), rows);
    EXPECT_EQ(text[0] == '0' ? 3u : 2u, rows.size());
    for (const Row& row : rows) keys.push_back(row.key);
  }
  std::vector<std::string> expected;
  for (const Row& row : all) expected.push_back(row.key);
  EXPECT_THAT(keys, ::testing::UnorderedElementsAreArray(expected));
  auto few = rows_of(1);
  keep_shard({1, 2}, few);
  EXPECT_TRUE(few.empty());
  for (const char* text : {"", "3/3", "1", "1/", "/3", "-1/3", "a/b", "0/0", "0/3x", "1 /3"}) {
    EXPECT_THAT(parse_shard(text) ? "no error" : parse_shard(text).error().message, HasSubstr("expected i/n")) << text;
  }
}

TEST(DatasetTest, KeysDependOnContentOnly) {
  auto rows = rows_from_jsonl("{\"a\": 1, \"b\": 2}\n{\"b\": 2, \"a\": 1}\n{\"a\": 1, \"b\": 3}\n", "f").value_or_throw();
  name_rows(sums(), {}, rows);
  EXPECT_EQ(rows[0].key + "#2", rows[1].key);
  EXPECT_NE(rows[0].key, rows[2].key);
  const std::string before = rows[0].key;
  name_rows(sums(), {{"param x", "1"}}, rows);
  EXPECT_NE(before, rows[0].key) << "other parameters, other rows";
  name_rows(parse_task(std::string(kTask) + "# changed\n", "t.yaml").task, {}, rows);
  EXPECT_NE(before, rows[0].key) << "another task, other rows";
}

TEST(BatchTest, CountsAndExitCodes) {
  FakeHost host([](const StepOrder& order) {
    if (order.prompt == "p1") return FakeHost::done("no");
    return FakeHost::done("ok");
  });
  auto none = ResultsFile::none();
  BatchReport report = run_batch(sums(), rows_of(4), {}, {.jobs = 3}, *none, host);
  EXPECT_EQ(3u, report.n_passed);
  EXPECT_EQ(1u, report.n_failed);
  EXPECT_EQ(3, report.exit_code);
  FakeHost mixed([](const StepOrder& order) {
    return order.prompt == "p1" ? FakeHost::done("no") : order.prompt == "p2" ? FakeHost::failed(7, "x") : FakeHost::done("ok");
  });
  report = run_batch(sums(), rows_of(4), {}, {}, *none, mixed);
  EXPECT_EQ(1u, report.n_errors);
  EXPECT_EQ(1, report.exit_code) << "codes that do not agree";
  EXPECT_THROW(run_batch(sums(), rows_from_jsonl("{\"b\": 1}", "f").value_or_throw(), {}, {}, *none, host), Exception);
}

TEST(BatchTest, GoesOnAfterAStopWithoutRepeats) {
  const TempFolder folder;
  std::vector<Row> rows = rows_of(20);
  std::stop_source stop;
  int n = 0;
  FakeHost first([&](const StepOrder&) {
    if (++n == 8) stop.request_stop();
    return FakeHost::done("ok");
  });
  {
    auto results = ResultsFile::open(folder / "r.jsonl").value_or_throw();
    EXPECT_FALSE(ResultsFile::open(folder / "r.jsonl")) << "one writer";
    const BatchReport report = run_batch(sums(), rows, {}, {}, *results, first, stop.get_token());
    EXPECT_EQ(130, report.exit_code);
    EXPECT_EQ(12u, report.n_missing);
  }
  // Killed in the middle of a line, and the dataset in another order.
  std::ofstream(folder / "r.jsonl", std::ios::app) << "{\"key\": \"to";
  std::shuffle(rows.begin(), rows.end(), std::mt19937(1));
  FakeHost second(FakeHost::says("ok"));
  {
    auto results = ResultsFile::open(folder / "r.jsonl").value_or_throw();
    EXPECT_EQ(8u, results->known().size());
    const BatchReport report = run_batch(sums(), rows, {}, {.jobs = 2}, *results, second);
    EXPECT_EQ(0, report.exit_code);
    EXPECT_EQ(8u, report.n_recorded);
    EXPECT_EQ(20u, report.n_passed);
  }
  std::vector<std::string> prompts = first.prompts();
  for (const std::string& prompt : second.prompts()) {
    EXPECT_THAT(prompts, Not(::testing::Contains(prompt)));
    prompts.push_back(prompt);
  }
  EXPECT_EQ(20u, prompts.size());
  const std::string text = read_text_file(folder / "r.jsonl").value_or_throw();
  EXPECT_EQ(20, std::count(text.begin(), text.end(), '\n'));
}

TEST(BatchTest, RetriesOnlyWhatDidNotPass) {
  const TempFolder folder;
  FakeHost bad([](const StepOrder& order) { return FakeHost::done(order.prompt == "p1" ? "no" : "ok"); });
  {
    auto results = ResultsFile::open(folder / "r").value_or_throw();
    EXPECT_EQ(3, run_batch(sums(), rows_of(3), {}, {}, *results, bad).exit_code);
  }
  FakeHost good;
  {
    auto results = ResultsFile::open(folder / "r").value_or_throw();
    EXPECT_EQ(3, run_batch(sums(), rows_of(3), {}, {}, *results, good).exit_code) << "what is recorded counts";
    EXPECT_EQ(0, run_batch(sums(), rows_of(3), {}, {.jobs = 1, .retry_failed = true}, *results, good).exit_code);
  }
  EXPECT_THAT(good.prompts(), ::testing::ElementsAre("p1"));
  auto results = ResultsFile::open(folder / "r").value_or_throw();
  EXPECT_EQ(0, run_batch(sums(), rows_of(3), {}, {}, *results, bad).exit_code) << "the last line of a key counts";
}

TEST(BatchTest, RowsOfWhichNothingWasLearnedRunAgain) {
  const TempFolder folder;
  FakeHost no_model([](const StepOrder&) { return FakeHost::failed(7, "model_error"); });
  {
    auto results = ResultsFile::open(folder / "r").value_or_throw();
    EXPECT_EQ(7, run_batch(sums(), rows_of(2), {}, {}, *results, no_model).exit_code);
  }
  FakeHost late([](const StepOrder&) { return FakeHost::failed(124, "timeout"); });
  {
    auto results = ResultsFile::open(folder / "r").value_or_throw();
    EXPECT_EQ(124, run_batch(sums(), rows_of(2), {}, {}, *results, late).exit_code);
  }
  auto results = ResultsFile::open(folder / "r").value_or_throw();
  EXPECT_EQ(124, run_batch(sums(), rows_of(2), {}, {}, *results, no_model).exit_code) << "a time-out is a result";
  EXPECT_EQ(2u, no_model.orders.size());
  EXPECT_EQ(2u, late.orders.size());
}

TEST(ResultsFileTest, LeavesOtherFilesAlone) {
  const TempFolder folder;
  for (const char* text : {"hello\n", "{}\n", "no newline"}) {
    std::ofstream(folder / "f") << text;
    const auto opened = ResultsFile::open(folder / "f");
    ASSERT_FALSE(opened) << text;
    EXPECT_THAT(opened.error().message, HasSubstr(":1: found no result"));
    EXPECT_EQ(text, read_text_file(folder / "f").value_or_throw());
  }
}

TEST(ReportTest, EscapesWhatModelsWrote) {
  FakeHost host(FakeHost::says("<b>&\"]]>\x01\xff|x|\n# y"));
  auto none = ResultsFile::none();
  const BatchReport report = run_batch(sums(), rows_of(2), {}, {}, *none, host);
  const std::string junit = junit_report("a<b", report);
  EXPECT_THAT(junit, HasSubstr("tests=\"2\" failures=\"2\" errors=\"0\""));
  EXPECT_THAT(junit, HasSubstr("name=\"a&lt;b\""));
  EXPECT_THAT(junit, Not(HasSubstr("<b>")));
  EXPECT_THAT(junit, Not(HasSubstr("\x01")));
  const std::string markdown = markdown_report("t", report);
  EXPECT_THAT(markdown, HasSubstr("| 2 | 0 | 2 | 0 | 0 | 20 |"));
  EXPECT_THAT(markdown, HasSubstr("\\|x\\|"));
  EXPECT_THAT(markdown, Not(HasSubstr("\n# y")));
}

}  // namespace
}  // namespace toccata::task
