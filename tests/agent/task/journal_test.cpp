#include "agent/task/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/task/parse.h"
#include "agent/task/runner.h"
#include "core/base/mapped_file.h"
#include "tests/agent/task/fake_host.h"
#include "tests/support/temp_folder.h"

namespace toccata::task {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using toccata::testing::FakeHost;
using toccata::testing::TempFolder;

class JournalTest : public ::testing::Test {
 protected:
  // The process ends when `dies` prompts have been asked: the runs after that never happen.
  TaskReport run(const std::string& yaml, FakeHost& host, int dies = 1000, const std::string& key = "k") {
    const Task task = parse_task(yaml, "t.yaml").task;
    std::stop_source stop;
    FakeHost dying([&](const StepOrder& order) {
      if (dies-- <= 0) {
        stop.request_stop();
        return FakeHost::failed(130, "stopped");
      }
      return host.run_step(order, {});
    });
    journal_.reset();
    journal_ = JournalHost::open(path_, dying).value_or_throw();
    const TaskReport report = run_task(task, {Value::object(), nullptr, "", key}, *journal_, stop.get_token());
    return report;
  }

  TempFolder folder_;
  std::filesystem::path path_ = folder_.path() / "state";
  std::unique_ptr<JournalHost> journal_;
};

constexpr const char* kSteps =
    "name: t\nsteps:\n  - {id: a, prompt: a}\n  - {id: b, foreach: [x, y, z], prompt: 'b {{ item }} {{ steps.a.output }}'}\n"
    "  - {id: c, prompt: 'c {{ steps.b.text }}'}\n";

TEST_F(JournalTest, AKilledTaskGoesOnWhereverItWas) {
  int n = 0;
  const auto counted = [&](const StepOrder& order) { return FakeHost::done(order.prompt + "#" + std::to_string(++n)); };
  FakeHost whole(counted);
  const Value expected = run(kSteps, whole).output;
  for (int dies = 0; dies <= 5; ++dies) {
    path_ = folder_.path() / std::to_string(dies);
    n = 0;
    FakeHost host(counted);
    run(kSteps, host, dies);
    const TaskReport report = run(kSteps, host);
    EXPECT_EQ(0, report.exit_code);
    EXPECT_EQ(expected, report.output);
    EXPECT_EQ(5u, host.orders.size()) << "nothing ran twice";
    EXPECT_EQ(50, report.tokens);
    EXPECT_EQ(dies, journal_->n_known());
  }
}

TEST_F(JournalTest, AttemptsThatFailedAreNotMadeAgain) {
  const char* const yaml = "name: t\nsteps:\n  - {id: a, prompt: p, retry: 3, assert: [{contains: good}]}\n";
  int n = 0;
  FakeHost host([&](const StepOrder&) { return ++n == 1 ? FakeHost::failed(7, "model") : FakeHost::done(n < 4 ? "bad" : "good"); });
  run(yaml, host, 3);
  EXPECT_EQ(0, run(yaml, host).exit_code);
  EXPECT_EQ(4u, host.orders.size());
}

TEST_F(JournalTest, AnotherOrderRunsAnew) {
  FakeHost host;
  const std::string yaml = "name: t\nsteps: [{id: a, prompt: p, seed: 1}]\n";
  run(yaml, host);
  run(yaml, host);
  EXPECT_EQ(1u, host.orders.size());
  run("name: t\nsteps: [{id: a, prompt: q, seed: 1}]\n", host);
  run("name: t\nsteps: [{id: a, prompt: p, seed: 2}]\n", host);
  run("name: t\nsteps: [{id: a, prompt: p, seed: 1, model: m}]\n", host);
  run(yaml, host, 1000, "other");
  EXPECT_EQ(5u, host.orders.size());
}

TEST_F(JournalTest, ForgetsAndKeepsFiles) {
  const std::string bytes("\0\xFF\n\x80", 4);
  FakeHost host([&](const StepOrder&) { return FakeHost::done("x", {{"f", bytes}, {"g", ""}, {"h", "12345"}}); });
  const char* const yaml = "name: t\nsteps: [{id: a, prompt: p, assert: [{python: pass}]}, {id: b, prompt: q}]\n";
  run(yaml, host);
  StepOrder order;
  FakeHost nobody;
  {
    journal_.reset();
    const auto journal = JournalHost::open(path_, nobody).value_or_throw();
    const StepEnd end = journal->run_step(host.orders[0], {});
    EXPECT_EQ(host.run_step(order, {}).files, end.files);
    EXPECT_THAT(nobody.orders, IsEmpty());
    journal->forget("k", "a");
  }
  {
    const auto journal = JournalHost::open(path_, nobody).value_or_throw();
    journal->run_step(host.orders[0], {});
    EXPECT_EQ(1u, nobody.orders.size()) << "forgotten in the file too";
    journal->run_step(host.orders[1], {});
    EXPECT_EQ(1u, nobody.orders.size());
    journal->forget("k");
    journal->remove();
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(JournalTest, ATornLineIsCutOffAndOtherFilesAreLeftAlone) {
  FakeHost host;
  const std::string yaml = "name: t\nsteps: [{id: a, prompt: p}, {id: b, prompt: q}]\n";
  run(yaml, host);
  journal_.reset();
  const std::string text = read_text_file(path_).value_or_throw();
  std::ofstream(path_, std::ios::trunc) << text.substr(0, text.size() - 10);
  run(yaml, host);
  EXPECT_EQ(3u, host.orders.size()) << "b again, a not";
  for (const char* other : {"hello\n", "{\"key\": \"x\"}\n", "hello", "{\"key\": \"x\", \"end\": {\"final\": 1}}\n"}) {
    journal_.reset();
    std::ofstream(path_, std::ios::trunc) << other;
    const auto journal = JournalHost::open(path_, host);
    ASSERT_FALSE(journal) << other;
    EXPECT_EQ(ErrorCode::kCorrupt, journal.error().code);
    EXPECT_EQ(other, read_text_file(path_).value_or_throw());
  }
}

}  // namespace
}  // namespace toccata::task
