#include "agent/task/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/task/explain.h"
#include "agent/task/params.h"
#include "agent/task/parse.h"
#include "tests/agent/task/fake_host.h"

namespace toccata::task {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using toccata::testing::FakeHost;

Task parsed(const std::string& yaml) {
  ParsedTask result = parse_task(yaml, "t.yaml");
  EXPECT_EQ("", text_of(result.problems));
  return std::move(result.task);
}

TaskReport run(const std::string& yaml, Host& host, const std::vector<GivenParam>& given = {}, const Value& row = nullptr) {
  const Task task = parsed(yaml);
  return run_task(task, {bind_params(task, given, row).value_or_throw(), row}, host);
}

// One step whose answer is `answer`, with these assertions.
TaskReport run_with(const std::string& assertions, const std::string& answer, FakeHost* host = nullptr) {
  FakeHost own(FakeHost::says(answer));
  return run("name: t\nsteps:\n  - id: a\n    prompt: p\n    assert: " + assertions + "\n", host ? *host : own);
}

TEST(RunnerTest, PassesOutputsOn) {
  FakeHost host([](const StepOrder& order) { return FakeHost::done("<" + order.prompt + ">"); });
  const TaskReport report = run(
      "name: t\nparams: {x: string}\nsteps:\n"
      "  - {id: b, prompt: 'b {{ steps.a.output }}', instructions: 'be {{ params.x }}'}\n"
      "  - {id: a, prompt: 'a {{ params.x }}', model: 'm-{{ params.x }}'}\noutput: 'end {{ steps.b.output }}'\n",
      host, {{"x", "1"}}
  );
  EXPECT_EQ(0, report.exit_code);
  EXPECT_THAT(host.prompts(), ElementsAre("a 1", "b <a 1>"));
  EXPECT_EQ("m-1", host.orders[0].model);
  EXPECT_EQ("be 1", host.orders[1].instructions);
  EXPECT_EQ(Value("end <b <a 1>>"), report.output);
  EXPECT_EQ(20, report.tokens);
}

TEST(RunnerTest, WhatAModelWroteIsNoTemplate) {
  FakeHost host(FakeHost::says("{{ params.secret }}"));
  run("name: t\nparams: {secret: {type: string, default: s3}}\nsteps:\n  - {id: a, prompt: p}\n  - {id: b, prompt: '{{ steps.a.output }}'}\n", host);
  EXPECT_EQ("{{ params.secret }}", host.prompts().back());
}

TEST(RunnerTest, SkipsByConditionAndWhatNeedsTheSkipped) {
  FakeHost host;
  const TaskReport report = run(
      "name: t\nsteps:\n  - {id: a, if: 1 > 2, prompt: a}\n  - {id: b, needs: a, prompt: b}\n"
      "  - {id: c, if: \"steps.a.status == 'skipped'\", prompt: c}\n", host
  );
  EXPECT_EQ(0, report.exit_code);
  EXPECT_THAT(host.prompts(), ElementsAre("c"));
  EXPECT_EQ(StepReport::Status::kSkipped, report.steps[1].status);
}

TEST(RunnerTest, ForeachGivesAList) {
  FakeHost host([](const StepOrder& order) { return FakeHost::done(order.prompt + "!"); });
  const TaskReport report = run(
      "name: t\nsteps:\n  - {id: a, foreach: [x, y], prompt: '{{ index }}{{ item }}', assert: [{contains: '{{ item }}'}]}\n", host
  );
  EXPECT_EQ(Value({"0x!", "1y!"}), report.output);
  EXPECT_EQ("a[1]", host.orders[1].step);
  FakeHost none;
  EXPECT_EQ(Value::array(), run("name: t\nsteps:\n  - {id: a, foreach: [], prompt: x}\n", none).output);
  EXPECT_EQ(1, run("name: t\nsteps:\n  - {id: a, foreach: text, prompt: x}\n", none).exit_code);
}

TEST(RunnerTest, MatrixGivesEveryCombination) {
  FakeHost host;
  const std::string step = "name: t\nparams: {sizes: {type: list, default: [1, 2]}}\nsteps:\n  - {id: a, prompt: '{{ item.s }}{{ item.c }}', ";
  EXPECT_EQ(0, run(step + "matrix: {s: '{{ params.sizes }}', c: [x, y]}}\n", host).exit_code);
  EXPECT_THAT(host.prompts(), ElementsAre("1x", "1y", "2x", "2y"));
  EXPECT_EQ(1, run(step + "matrix: {s: text, c: [x]}}\n", host).exit_code);
  EXPECT_THAT(text_of(parse_task(step + "matrix: {s: [1]}, foreach: [1]}\n", "t.yaml").problems), HasSubstr("next to 'foreach'"));
}

TEST(RunnerTest, UntilRunsAgain) {
  int n = 0;
  FakeHost host([&](const StepOrder&) { return FakeHost::done(std::to_string(++n)); });
  const std::string step = "name: t\nsteps:\n  - {id: a, prompt: 'after {{ previous }}', until: ";
  TaskReport report = run(step + "\"output == '3'\"}\n", host);
  EXPECT_EQ(0, report.exit_code) << report.message;
  EXPECT_THAT(host.prompts(), ElementsAre("after ", "after 1", "after 2"));
  EXPECT_EQ(3u, report.steps[0].runs.size());
  report = run(step + "{that: output == 'x', times: 2}}\n", host);
  EXPECT_EQ(3, report.exit_code);
  EXPECT_THAT(report.message, HasSubstr("after 2 runs"));
  EXPECT_EQ(5u, host.orders.size());
}

TEST(RunnerTest, AFailureEndsTheTaskWithItsCode) {
  for (const auto& [code, reason] : std::vector<std::pair<int, std::string>>{
           {1, "no_final"}, {4, "budget"}, {6, "tool_unavailable"}, {7, "model_error"}, {124, "timeout"}, {130, "stopped"}}) {
    FakeHost host([&](const StepOrder&) { return FakeHost::failed(code, reason); });
    const TaskReport report = run("name: t\nsteps:\n  - {id: a, prompt: a}\n  - {id: b, prompt: b}\n", host);
    EXPECT_EQ(code, report.exit_code);
    EXPECT_THAT(report.message, HasSubstr("step 'a' failed: because of " + reason));
    EXPECT_THAT(host.prompts(), ElementsAre("a"));
    EXPECT_EQ(StepReport::Status::kNotRun, report.steps[1].status);
  }
}

TEST(RunnerTest, AllowedFailureGoesOn) {
  FakeHost host([](const StepOrder& order) { return order.prompt == "a" ? FakeHost::failed(7, "x") : FakeHost::done("ok"); });
  const TaskReport report = run(
      "name: t\nsteps:\n  - {id: a, prompt: a, allow_failure: true}\n  - {id: b, prompt: 'b {{ steps.a.status }}'}\n", host
  );
  EXPECT_EQ(0, report.exit_code);
  EXPECT_EQ("b failed", host.prompts().back());
}

TEST(RunnerTest, RetriesWhatMayBeRetried) {
  int n = 0;
  FakeHost host([&](const StepOrder&) { return ++n < 3 ? FakeHost::failed(7, "x") : FakeHost::done("ok"); });
  const TaskReport report = run("name: t\nsteps:\n  - {id: a, prompt: a, seed: 5, retry: 2}\n", host);
  EXPECT_EQ(0, report.exit_code);
  EXPECT_EQ(3, report.steps[0].attempts);
  EXPECT_EQ(7, host.orders[2].settings.seed) << "another seed for each attempt";
  FakeHost other([&](const StepOrder&) { return FakeHost::failed(7, "x"); });
  run("name: t\nsteps:\n  - {id: a, prompt: a, retry: {times: 2, on: [assertion]}}\n", other);
  EXPECT_EQ(1u, other.orders.size());
  FakeHost denied([&](const StepOrder&) { return FakeHost::failed(5, "denied"); });
  run("name: t\nsteps:\n  - {id: a, prompt: a, retry: 2}\n", denied);
  EXPECT_EQ(1u, denied.orders.size());
}

TEST(RunnerTest, OneBudgetOverAllSteps) {
  FakeHost host;
  const TaskReport report = run(
      "name: t\nbudget_tokens: 15\nsteps:\n  - {id: a, prompt: a}\n  - {id: b, prompt: b}\n  - {id: c, prompt: c}\n", host
  );
  EXPECT_EQ(4, report.exit_code);
  EXPECT_EQ(15, host.orders[0].settings.budget_tokens);
  EXPECT_EQ(5, host.orders[1].settings.budget_tokens);
  EXPECT_EQ(2u, host.orders.size());
}

TEST(RunnerTest, OutputSchema) {
  const std::string yaml =
      "name: t\nsteps:\n  - {id: a, prompt: a, output_schema: {type: object, properties: {n: {type: integer}}, required: [n]}}\n"
      "  - {id: b, prompt: 'n is {{ steps.a.output.n }}'}\n";
  FakeHost good(FakeHost::says("{\"n\": 5}"));
  run(yaml, good);
  EXPECT_EQ("n is 5", good.prompts().back());
  EXPECT_THAT(*good.orders[0].output_schema, HasSubstr("\"required\":[\"n\"]"));
  EXPECT_FALSE(good.orders[1].output_schema);
  for (const char* bad : {"n is 5", "{\"n\": \"5\"}", "{}"}) {
    FakeHost host(FakeHost::says(bad));
    EXPECT_EQ(8, run(yaml, host).exit_code) << bad;
  }
}

TEST(RunnerTest, ARowIsSeen) {
  FakeHost host;
  run("name: t\nsteps:\n  - {id: a, prompt: 'q {{ row.q }}'}\n", host, {}, {{"q", 7}});
  EXPECT_THAT(host.prompts(), ElementsAre("q 7"));
}

TEST(AssertionTest, EachKindCanHoldAndFail) {
  const struct {
    const char* assertion;
    const char* holds;
    const char* fails;
  } cases[] = {
      {"[{equals: '42'}]", " 42\n", "43"},
      {"[{equals: 42}]", "42", "4 2"},
      {"[{equals: {a: [1]}}]", "{\"a\": [1.0]}", "{\"a\": [2]}"},
      {"[{contains: x}]", "axb", "ab"},
      {"[{not_contains: x}]", "ab", "axb"},
      {"[{regex: '^[0-9]+$'}]", "123", "12 3"},
      {"[{number: 3.14}]", "pi is 3.14.", "pi is 3.15"},
      {"[{number: {equals: 100, rel: 0.01}}]", "it is 101", "it is 102"},
      {"[{number: {equals: 100, abs: 2}}]", "98", "no number"},
      {"[{schema: {type: array, items: {type: integer}}}]", "[1, 2]", "[1, \"2\"]"},
      {"[{that: output | length > 3}]", "long", "no"},
      {"[{equals: A, value: '{{ output | upper }}'}]", "a", "b"},
      {"[{contains: a}, {contains: b}]", "ab", "a"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(0, run_with(c.assertion, c.holds).exit_code) << c.assertion;
    const TaskReport failed = run_with(c.assertion, c.fails);
    EXPECT_EQ(3, failed.exit_code) << c.assertion;
    EXPECT_THAT(failed.message, HasSubstr("t.yaml:5:"));
    if (std::string_view(c.assertion).find("}, {") == std::string_view::npos) continue;
    EXPECT_EQ(1u, failed.steps[0].failures.size());
  }
}

TEST(AssertionTest, Files) {
  FakeHost host([](const StepOrder& order) {
    EXPECT_TRUE(order.keep_files);
    return FakeHost::done("x", {{"made.txt", "hello"}});
  });
  host.files["in.txt"] = "given";
  EXPECT_EQ(0, run_with("[{file: {path: /mnt/data/made.txt, contains: ell}}, {file: in.txt}]", "", &host).exit_code);
  EXPECT_EQ(0, run_with("[{file: {path: /mnt/data/none, exists: false}}]", "", &host).exit_code);
  EXPECT_EQ(3, run_with("[{file: {path: /mnt/data/made.txt, equals: other}}]", "", &host).exit_code);
  EXPECT_EQ(3, run_with("[{file: /mnt/data/none}]", "", &host).exit_code);
  EXPECT_EQ(3, run_with("[{file: {path: in.txt, exists: false}}]", "", &host).exit_code);
}

TEST(AssertionTest, CodeInTheSandbox) {
  FakeHost host([](const StepOrder&) { return FakeHost::done("answer", {{"f", "1"}}); });
  EXPECT_EQ(0, run_with("[{python: 'assert text'}]", "", &host).exit_code);
  ASSERT_EQ(1u, host.checks.size());
  EXPECT_EQ("answer", host.checks[0].context.at("output.txt"));
  EXPECT_EQ("1", host.checks[0].files.at("f"));
  EXPECT_THAT(host.checks[0].context.at("context.json"), HasSubstr("\"output\":\"answer\""));
  EXPECT_EQ(3, run_with("[{python: raise}]", "", &host).exit_code);
  host.check_output = "looks like toccata-exit-1:0";
  EXPECT_EQ(3, run_with("[{command: 'true'}]", "", &host).exit_code) << "only the program's own mark counts";
  host.no_sandbox = true;
  EXPECT_EQ(6, run_with("[{python: 'pass'}]", "", &host).exit_code);
}

TEST(AssertionTest, ACheckThatWasCutOffSaysNothing) {
  FakeHost host;
  std::stop_source stop;
  host.on_check = [&] { stop.request_stop(); };
  const Task task = parsed("name: t\nsteps:\n  - {id: a, prompt: p, retry: 3, assert: [{python: raise}]}\n");
  EXPECT_EQ(130, run_task(task, {Value::object(), nullptr}, host, stop.get_token()).exit_code);
  EXPECT_EQ(1u, host.orders.size());
}

TEST(AssertionTest, OfTheWholeTask) {
  FakeHost host(FakeHost::says("a"));
  EXPECT_EQ(3, run("name: t\nsteps: [{prompt: p}]\nassert: [{contains: b}]\n", host).exit_code);
}

TEST(ExplainTest, ResolvesWhatIsKnown) {
  const Task task = parsed(
      "name: t\nparams: {x: string}\nsteps:\n  - {id: b, prompt: '{{ params.x }} {{ steps.a.output }}'}\n  - {id: a, prompt: a, tools: none}\n"
  );
  Settings fallback;
  fallback.tools = std::vector<std::string>{"python"};
  const Value plan = explain(task, {{"x", "1"}}, nullptr, fallback);
  EXPECT_EQ("a", plan["steps"][0]["step"]);
  EXPECT_EQ(Value({"none"}), plan["steps"][0]["tools"]);
  EXPECT_EQ("1 {{ steps.a.output }}", plan["steps"][1]["prompt"]);
  EXPECT_EQ(Value({"a"}), plan["steps"][1]["after"]);
  EXPECT_EQ(Value({"python"}), plan["steps"][1]["tools"]);
  EXPECT_THAT(explain_text(plan), HasSubstr("2. b  after [\"a\"]"));
}

}  // namespace
}  // namespace toccata::task
