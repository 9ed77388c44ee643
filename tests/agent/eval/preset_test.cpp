#include "agent/eval/preset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/task/runner.h"
#include "core/base/json.h"
#include "tests/agent/task/fake_host.h"

namespace toccata::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using toccata::testing::FakeHost;

PresetInfo info(const char* name) { return find_preset(name).value_or_throw(); }

std::string problem(const char* preset, const char* row) {
  const auto items = make_items(info(preset), {{7, json_from_valid<Value>(row), ""}}, "d.jsonl", 1, 0, 0);
  return items ? "" : items.error().message;
}

// The verdict when every prompt gets `answer`, and every judge `judged`.
std::string verdict(const char* preset, const char* row, FakeHost::Answer answer, const std::string& judged = "") {
  const auto items = make_items(info(preset), {{1, json_from_valid<Value>(row), ""}}, "d.jsonl", 1, 0, 0).value_or_throw();
  FakeHost host([&](const task::StepOrder& order) { return order.is_judge ? FakeHost::done(judged) : answer(order); });
  const task::TaskReport report = task::run_task(make_task(info(preset)), {Value::object(), items[0].value}, host);
  if (report.steps[0].verdicts.empty()) return report.message;
  return report.steps[0].verdicts.back()["verdict"].get<std::string>();
}

TEST(PresetTest, RowsThatDoNotFitAreNamedByLine) {
  const struct {
    const char* preset;
    const char* row;
    const char* why;
  } cases[] = {
      {"numeric", R"({"question": "q"})", "d.jsonl:7: found no 'answer'"},
      {"numeric", R"({"question": "q", "answer": "many"})", "expected a number"},
      {"numeric", R"({"question": "", "answer": 1})", "found an empty text for 'question'"},
      {"numeric", R"({"question": "q", "answer": 1, "abs": -1})", "for 'abs'"},
      {"numeric", R"({"qestion": "q", "answer": 1})", "did you mean 'question'?"},
      {"choice", R"({"question": "q", "choices": ["a"], "answer": "A"})", "1 items in 'choices'"},
      {"choice", R"({"question": "q", "choices": ["a", "b"], "answer": "C"})", "expected a letter up to B"},
      {"choice", R"({"question": "q", "choices": ["a", "b"], "answer": -1})", "expected a letter up to B"},
      {"choice", R"({"question": "q", "choices": ["a", "b"]})", "no 'answer'"},
      {"choice", R"({"question": "q", "choices": ["a", 2], "answer": 0})", "a number in 'choices'"},
      {"code", R"({"question": "q", "tests": []})", "0 items in 'tests'"},
      {"code", R"({"question": "q", "tests": [{"input": "1"}]})", "in 'tests'"},
      {"code", R"({"question": "q", "tests": [{"input": "1", "output": "1"}], "memory_limit": 4000})", "beyond"},
      {"facts", R"({"question": "q", "answer": ["a"]})", "a list for 'answer'"},
      {"calls", R"({"question": "q", "functions": [{"name": "f"}], "expected": [{"name": "g"}]})", "none of 'functions'"},
      {"calls", R"({"question": "q", "functions": [{"name": "f"}, {"name": "f"}], "expected": []})", "twice"},
      {"calls", R"({"question": "q", "functions": [{"name": "f"}], "expected": [{"name": "f", "arguments": {"x": 1}}]})", "list of allowed values"},
      {"citations", R"({"question": "q", "documents": ["a\nb"], "cite": [[0, 1, 3]]})", "in 'cite'"},
      {"citations", R"({"question": "q", "documents": ["a"], "cite": [1]})", "in 'cite'"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(problem(c.preset, c.row), HasSubstr(c.why)) << c.row;
    EXPECT_THAT(problem(c.preset, c.row), HasSubstr(std::string("expected of a row for '") + c.preset)) << c.row;
  }
  EXPECT_FALSE(find_preset("numerc"));
  EXPECT_THAT(find_preset("numerc").error().message, HasSubstr("did you mean 'numeric'?"));
}

TEST(PresetTest, SamplesAreRowsWithSeedsOfTheirOwn) {
  const std::vector<task::Row> rows = {{1, json_from_valid<Value>(R"({"question": "q", "answer": 1})"), ""}, {2, json_from_valid<Value>(R"({"question": "r", "answer": 2})"), ""}};
  const auto items = make_items(info("numeric"), rows, "d", 3, 1, 0).value_or_throw();
  ASSERT_EQ(3u, items.size());
  EXPECT_EQ(3, items[2].value["sample"]);
  EXPECT_EQ(2, items[2].seed_offset);
  EXPECT_EQ(1u, items[2].number);
}

TEST(PresetTest, ChoicesAreShuffledAndTheirOrderIsRecorded) {
  const char* const row = R"({"question": "q", "choices": ["right", "b", "c", "d"], "answer": 0})";
  std::set<std::string> letters;
  for (int sample = 1; sample <= 20; ++sample) {
    const Value item = make_item(Preset::kChoice, json_from_valid<Value>(row), sample, 0);
    const std::string letter = item["letter"].get<std::string>();
    letters.insert(letter);
    EXPECT_EQ(0, item["order"][static_cast<std::size_t>(letter[0] - 'A')]);
    EXPECT_THAT(item["prompt"].get<std::string>(), HasSubstr("\n" + letter + ") right"));
    EXPECT_EQ(item, make_item(Preset::kChoice, json_from_valid<Value>(row), sample, 0));
  }
  EXPECT_GT(letters.size(), 2u);
}

TEST(PresetTest, Verdicts) {
  EXPECT_EQ("correct", verdict("numeric", R"({"question": "q", "answer": 4})", FakeHost::says("\\boxed{4}")));
  EXPECT_EQ("incorrect", verdict("numeric", R"({"question": "q", "answer": 4})", FakeHost::says("5")));
  const char* const choice = R"({"question": "q", "choices": ["x", "y"], "answer": "B"})";
  const std::string letter = make_item(Preset::kChoice, json_from_valid<Value>(choice), 1, 0)["letter"].get<std::string>();
  EXPECT_EQ("correct", verdict("choice", choice, FakeHost::says("Answer: " + letter)));
  EXPECT_EQ("incorrect", verdict("choice", choice, FakeHost::says(std::string("Answer: ") + (letter == "A" ? "B" : "A"))));
  const char* const fact = R"({"question": "q", "answer": "Oslo"})";
  for (const char* said : {"correct", "incorrect", "abstained"}) {
    EXPECT_EQ(said, verdict("facts", fact, FakeHost::says("x"), std::string(R"({"reason": "r", "verdict": ")") + said + "\"}"));
  }
  EXPECT_THAT(verdict("short", fact, FakeHost::says("x"), R"({"reason": "r", "verdict": "abstained"})"), HasSubstr("no verdict"));
  const char* const calls = R"({"question": "q", "functions": [{"name": "f"}], "expected": [{"name": "f", "arguments": {"x": [1]}}]})";
  const auto called = [](const char* json) {
    return [json](const task::StepOrder& order) {
      EXPECT_EQ("f", order.functions[0]["name"]);
      task::StepEnd end = FakeHost::done("done");
      end.calls = json_from_valid<Value>(json);
      return end;
    };
  };
  EXPECT_EQ("correct", verdict("calls", calls, called(R"([{"name": "f", "arguments": {"x": 1}}])")));
  EXPECT_EQ("incorrect", verdict("calls", calls, called("[]")));
  const char* const cite = R"({"question": "q", "documents": ["a\nOslo"], "cite": [[0, 2, 2]], "answer": "Oslo"})";
  EXPECT_EQ("correct", verdict("citations", cite, FakeHost::says("Oslo 【0†L2】")));
  EXPECT_EQ("incorrect", verdict("citations", cite, FakeHost::says("Rome 【0†L2】")));
  EXPECT_EQ("incorrect", verdict("citations", cite, FakeHost::says("Oslo 【0†L1】")));
}

TEST(PresetTest, ThePromptHoldsNoAnswer) {
  for (const auto& [preset, row] : std::vector<std::pair<const char*, const char*>>{
           {"numeric", R"({"question": "q", "answer": 987654})"},
           {"short", R"({"question": "q", "answer": "987654"})"},
           {"facts", R"({"question": "q", "answer": "987654"})"},
           {"code", R"({"question": "q", "tests": [{"input": "1", "output": "987654"}]})"},
           {"calls", R"({"question": "q", "functions": [{"name": "f"}], "expected": [{"name": "f", "arguments": {"x": [987654]}}]})"}}) {
    FakeHost host(FakeHost::says("x"));
    const auto items = make_items(info(preset), {{1, json_from_valid<Value>(row), ""}}, "d", 1, 0, 0).value_or_throw();
    task::run_task(make_task(info(preset)), {Value::object(), items[0].value}, host);
    EXPECT_THAT(host.orders.at(0).prompt, Not(HasSubstr("987654"))) << preset;
  }
}

}  // namespace
}  // namespace toccata::eval
