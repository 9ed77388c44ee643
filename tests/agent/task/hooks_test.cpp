// Code around steps, and the files that are kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/task/params.h"
#include "agent/task/parse.h"
#include "agent/task/runner.h"
#include "tests/agent/task/fake_host.h"

namespace toccata::task {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using toccata::testing::FakeHost;

TaskReport run(const std::string& step, FakeHost& host) {
  const ParsedTask parsed = parse_task("name: t\nsteps:\n  - {id: a, prompt: 'p {{ 1 }}', " + step + "}\n", "t.yaml");
  EXPECT_EQ("", text_of(parsed.problems));
  return run_task(parsed.task, {Value::object(), nullptr}, host);
}

FakeHost::Answer makes(Files files) {
  return [files](const StepOrder& order) {
    EXPECT_TRUE(order.keep_files);
    return FakeHost::done("said", files);
  };
}

TEST(HookTest, BeforePreparesTheWorkspaceAndThePrompt) {
  FakeHost host;
  host.made = {{"data.csv", "1,2"}, {"context.json", "x"}};
  host.check_output = "2 columns";
  const ParsedTask parsed = parse_task(
      "name: t\nsteps:\n  - {id: a, prompt: 'there are {{ before }}', before: {python: 'make()', timeout: 5s}}\n", "t.yaml"
  );
  ASSERT_EQ("", text_of(parsed.problems));
  EXPECT_EQ(0, run_task(parsed.task, {Value::object(), nullptr}, host).exit_code);
  EXPECT_THAT(host.prompts(), ElementsAre("there are 2 columns"));
  EXPECT_THAT(host.orders[0].files, ElementsAre(Pair("data.csv", "1,2")));
  EXPECT_EQ(5, host.checks[0].timeout_s);
}

TEST(HookTest, AHookThatFailsFailsTheStep) {
  FakeHost host;
  TaskReport report = run("before: {python: raise}", host);
  EXPECT_EQ(1, report.exit_code);
  EXPECT_EQ("hook", report.steps[0].reason);
  EXPECT_THAT(host.orders, IsEmpty()) << "the model is not asked";
  report = run("after: {python: raise}", host);
  EXPECT_EQ(1, report.exit_code);
  EXPECT_THAT(report.message, HasSubstr("'after' failed: Traceback"));
  host.check_output = "no mark of an exit code";
  EXPECT_EQ(1, run("after: {command: 'true'}", host).exit_code);
}

TEST(HookTest, AfterRunsOnlyOnWhatPassed) {
  FakeHost host(FakeHost::says("bad"));
  EXPECT_EQ(3, run("assert: [{contains: good}], after: {python: pass}", host).exit_code);
  EXPECT_THAT(host.checks, IsEmpty());
}

TEST(ArtifactTest, NamesAndPatterns) {
  FakeHost host(makes({{"report.md", "abc"}, {"a.png", "1"}, {"b.png", "2"}, {"deep/c.png", "3"}, {"other", "4"}}));
  TaskReport report = run("artifacts: [report.md, '*.png', '*.pdf', a.png]", host);
  EXPECT_EQ(0, report.exit_code) << report.message;
  EXPECT_THAT(host.artifacts, ElementsAre(Pair("a/a.png", "1"), Pair("a/b.png", "2"), Pair("a/report.md", "abc")));
  ASSERT_EQ(3u, report.steps[0].artifacts.size());
  EXPECT_EQ("report.md", report.steps[0].artifacts[0]["name"]);
  EXPECT_EQ(3, report.steps[0].artifacts[0]["bytes"]);
  EXPECT_EQ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", report.steps[0].artifacts[0]["sha256"]) << "FIPS 180, \"abc\"";
  report = run("artifacts: [missing.md]", host);
  EXPECT_EQ(3, report.exit_code);
  EXPECT_THAT(report.message, HasSubstr("found no file 'missing.md'"));
}

TEST(ArtifactTest, OfTheHookBehindTheStep) {
  FakeHost host(makes({{"raw.txt", "x"}}));
  host.made = {{"raw.txt", "x"}, {"made.txt", "y"}};
  EXPECT_EQ(0, run("after: {python: pass}, artifacts: [made.txt]", host).exit_code);
  EXPECT_EQ("x", host.checks[0].files.at("raw.txt"));
  EXPECT_THAT(host.artifacts, ElementsAre(Pair("a/made.txt", "y")));
}

TEST(HookTest, Problems) {
  const auto problems = [](const std::string& step) {
    return text_of(parse_task("name: t\nsteps:\n  - {prompt: p, " + step + "}\n", "t.yaml").problems);
  };
  EXPECT_THAT(problems("before: {}"), HasSubstr("found neither of 'python' and 'command'"));
  EXPECT_THAT(problems("after: {python: a, command: b}"), HasSubstr("found both"));
  EXPECT_THAT(problems("before: text"), HasSubstr("expected 'before'"));
  EXPECT_THAT(text_of(parse_task("name: t\nsteps: [{prompt: '{{ before }}'}]\n", "t").problems), HasSubstr("unknown name 'before'"));
}

}  // namespace
}  // namespace toccata::task
