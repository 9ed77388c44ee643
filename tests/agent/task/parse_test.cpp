#include "agent/task/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "agent/task/params.h"
#include "agent/task/plan.h"
#include "agent/task/schema_check.h"
#include "core/base/json.h"

namespace toccata::task {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kGood = R"(name: report
params:
  a: integer
  style: {type: string, enum: [short, long], default: short}
defaults: {model: nano, temperature: 0, tools: [python]}
steps:
  - id: last
    needs: [sum]
    prompt: "{{ steps.list.output | join(',') }}"
  - id: sum
    prompt: "What is {{ params.a }} + 5?"
    tools: none
    retry: {times: 2, on: [assertion]}
    timeout: 1.5m
    assert:
      - number: {equals: "{{ params.a }}", abs: 5}
      - regex: '^\d+'
      - contains: "5"
        value: "{{ text | upper }}"
      - file: {path: /mnt/data/x, contains: y}
      - command: {run: "true", exit_code: 0}
  - id: list
    if: "{{ params.style == 'short' }}"
    foreach: [1, "{{ params.a }}"]
    prompt: "{{ index }}: {{ item }}"
    output_schema: {type: object, properties: {n: {type: integer}}, required: [n]}
output: "{{ steps.sum.output }}"
)";

std::vector<std::string> problems(const std::string& text) {
  std::vector<std::string> texts;
  for (const Problem& problem : parse_task(text, "t.yaml").problems) texts.push_back(problem.text());
  return texts;
}

TEST(ParseTaskTest, ReadsAWholeFile) {
  const ParsedTask parsed = parse_task(kGood, "t.yaml");
  ASSERT_EQ("", text_of(parsed.problems));
  const Task& task = parsed.task;
  EXPECT_EQ("report", task.name);
  ASSERT_EQ(2u, task.params.size());
  EXPECT_TRUE(task.params[0].required);
  EXPECT_EQ(Value("short"), task.params[1].default_value);
  ASSERT_EQ(3u, task.steps.size());
  const Step& sum = task.steps[1];
  EXPECT_EQ(90.0, sum.settings.timeout_s);
  EXPECT_EQ(std::vector<std::string>{"none"}, sum.settings.tools);
  EXPECT_EQ("nano", sum.settings.model->source());
  EXPECT_EQ(2, sum.retry.times);
  ASSERT_EQ(5u, sum.assertions.size());
  EXPECT_EQ(Assertion::Kind::kFile, sum.assertions[3].kind);
  EXPECT_EQ(1u, sum.assertions[3].content.size());
  EXPECT_TRUE(task.steps[2].output_schema);
  EXPECT_EQ(64u, task.content_hash.size());
  EXPECT_NE(task.content_hash, parse_task(std::string(kGood) + "#\n", "t.yaml").task.content_hash);
}

TEST(ParseTaskTest, OrdersByNeedsAndByWhatIsRead) {
  const Task task = parse_task(kGood, "t.yaml").task;
  EXPECT_THAT(order_steps(task).value_or_throw(), ElementsAre(1, 2, 0));
  EXPECT_THAT(comes_after(task, task.steps[0]), ElementsAre("sum", "list"));
}

TEST(ParseTaskTest, NamesThePlaceAndWhatWasExpected) {
  const struct {
    const char* text;
    const char* place;
    const char* says;
  } cases[] = {
      {"name: x\nstesp: []\nsteps: [{prompt: a}]\n", "t.yaml:2:1: ", "did you mean 'steps'?"},
      {"name: x\nsteps:\n  - promt: a\n", "t.yaml:3:5: ", "did you mean 'prompt'?"},
      {"name: x\nsteps:\n  - prompt: a\n    tools: 5\n", "t.yaml:4:12: ", "expected a list of texts"},
      {"name: x\nsteps:\n  - prompt: '{{ params.x }}'\nparams: {y: string}\n", "t.yaml:3:5: ", "unknown parameter 'x'"},
      {"name: x\nsteps:\n  - prompt: '{{ a b }}'\n", "t.yaml:3:13: ", "not expected here"},
      {"name: x\nsteps:\n  - {id: a, prompt: '{{ steps.b.output }}'}\n  - {id: b, prompt: x, needs: a}\n", "t.yaml:3:5: ", "a -> b -> a"},
      {"name: x\nsteps:\n  - {id: a, prompt: x, needs: c}\n", "t.yaml:3:5: ", "unknown step 'c'"},
      {"name: x\nsteps:\n  - {id: a, prompt: '{{ steps.a.output }}'}\n", "t.yaml:3:5: ", "its own result"},
      {"name: x\nsteps:\n  - {id: a, prompt: '{{ item }}'}\n", "t.yaml:3:5: ", "unknown name 'item'"},
      {"name: x\nsteps:\n  - {id: a, prompt: x}\n  - {id: a, prompt: y}\n", "t.yaml:4:10: ", "twice"},
      {"name: x\nname: y\nsteps: [{prompt: a}]\n", "t.yaml:2:1: ", "the key 'name' twice"},
      {"name: x\nparams: {n: {type: integer, default: one}}\nsteps: [{prompt: a}]\n", "t.yaml:2:38: ", "expected integer"},
      {"name: x\nparams: {n: int}\nsteps: [{prompt: a}]\n", "t.yaml:2:13: ", "found the type 'int'"},
      {"name: x\nsteps:\n  - prompt: a\n    assert: [{regex: '(a)\\1'}]\n", "t.yaml:4:22: ", "cannot be used"},
      {"name: x\nsteps:\n  - prompt: a\n    assert: [{equal: 5}]\n", "t.yaml:4:15: ", "did you mean 'equals'?"},
      {"name: x\nsteps:\n  - prompt: a\n    output_schema: {type: array, uniqueItems: true}\n", "t.yaml:4:20: ", "uniqueItems"},
      {"name: x\nsteps:\n  - prompt: a\n    timeout: soon\n", "t.yaml:4:14: ", "expected a time"},
      {"name: x\nsteps:\n  - prompt: a\n    reasoning: hihg\n", "t.yaml:4:16: ", "did you mean 'high'?"},
      {"name: x\nsteps: []\n", "t.yaml:2:8: ", "at least one step"},
      {"name: [x\n", "t.yaml:", "this is not YAML"},
      {"name: x\nsteps: \xff\n", "t.yaml:2:8: ", "not UTF-8"},
      {"- a\n", "t.yaml:1:1: ", "found a list, expected a task file"},
      {"", "t.yaml:1:1: ", "expected"},
  };
  for (const auto& c : cases) {
    bool told = false;
    for (const std::string& problem : problems(c.text)) {
      told = told || (problem.starts_with(c.place) && problem.find(c.says) != std::string::npos);
    }
    EXPECT_TRUE(told) << c.text << ::testing::PrintToString(problems(c.text));
  }
}

TEST(ParseTaskTest, TellsSeveralProblemsInTheirOrder) {
  const auto all = problems("name: x\nparams: {a: int}\nsteps:\n  - {promt: x}\n  - {prompt: y, needs: z}\n");
  ASSERT_EQ(4u, all.size()) << ::testing::PrintToString(all);
  EXPECT_TRUE(all[0].starts_with("t.yaml:2:"));
  EXPECT_TRUE(all[3].starts_with("t.yaml:5:"));
}

TEST(ParseTaskTest, HostileFilesEnd) {
  std::string bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "b" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) bomb += "*a" + std::to_string(i - 1) + ",";
    bomb += "]\n";
  }
  EXPECT_THAT(problems(bomb).at(0), HasSubstr("aliases expanded"));
  EXPECT_THAT(problems("a: &a [*a]\n").at(0), HasSubstr("t.yaml:"));
  for (const std::string part : {"[", "{", "- ", "? ", "&a ", "!", "a: ", "'", "|\n", "%", "*", "---\n"}) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += part;
    EXPECT_FALSE(problems(text).empty()) << part;
  }
  EXPECT_FALSE(problems(std::string("\xff\xfe\0\x01", 4)).empty());
}

// Whatever is done to a file, it is read to an end or refused with a place.
TEST(ParseTaskTest, DamagedFilesEnd) {
  std::mt19937 draw(5);
  const std::string good = kGood;
  int n_refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string text = good;
    for (int edits = 1 + static_cast<int>(draw() % 3); edits > 0; --edits) {
      const std::size_t at = draw() % text.size(), n = draw() % 12;
      switch (draw() % 4) {
        case 0: text[at] = static_cast<char>(draw() % 256); break;
        case 1: text.erase(at, n); break;
        case 2: text.insert(at, good.substr(draw() % good.size(), n)); break;
        default: text.insert(at, 1, "{}[]:,'\"&*!|>#-\n "[draw() % 18]);
      }
    }
    for (const Problem& problem : parse_task(text, "t.yaml").problems) {
      ASSERT_GT(problem.place.line, 0) << text << problem.text();
      ASSERT_GT(problem.place.column, 0) << text << problem.text();
      ++n_refused;
    }
  }
  EXPECT_GT(n_refused, 500);
}

TEST(ParamsTest, BindsByType) {
  const Task task = parse_task(
      "name: x\nsteps: [{prompt: a}]\nparams:\n  n: {type: integer, min: 1, max: 9}\n  s: {type: string, default: d}\n"
      "  l: {type: list, default: []}\n  b: {type: boolean, required: false}\n", "t.yaml").task;
  const auto bound = bind_params(task, {{"n", "2"}, {"l", "[1]"}, {"n", "3"}}, nullptr).value_or_throw();
  EXPECT_EQ(R"({"n":3,"s":"d","l":[1],"b":null})", json_text(bound));
  const Value row = {{"n", "4"}, {"s", "text"}, {"b", true}, {"other", 1}};
  EXPECT_EQ(R"({"n":4,"s":"text","l":[],"b":true})", json_text(bind_params(task, {}, row).value_or_throw()));
  const auto error = [&](std::vector<GivenParam> given) { return bind_params(task, given, nullptr).error().message; };
  EXPECT_THAT(error({}), HasSubstr("-p n="));
  EXPECT_THAT(error({{"n", "x"}}), HasSubstr("found 'x', expected integer"));
  EXPECT_THAT(error({{"n", "1.5"}}), HasSubstr("expected integer"));
  EXPECT_THAT(error({{"n", "10"}}), HasSubstr("at most"));
  EXPECT_THAT(error({{"m", "1"}}), HasSubstr("expected one of"));
  EXPECT_FALSE(split_param("=x"));
  EXPECT_EQ("a=b", split_param("x=a=b").value_or_throw().second);
}

TEST(SchemaCheckTest, SaysWhereItBreaks) {
  const Schema schema = make_schema(json_from_valid<Value>(
      R"({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false})"
  )).value_or_throw();
  EXPECT_EQ("", schema_breach(schema, {{"n", 5}}));
  EXPECT_THAT(schema_breach(schema, {{"n", "x"}}), HasSubstr("behind '{\"n\":'"));
  EXPECT_THAT(schema_breach(schema, Value::object()), HasSubstr("breaks the schema"));
  EXPECT_EQ(Value({{"n", 5}}), json_answer("Here:\n```json\n{\"n\": 5}\n```\nDone.").value_or_throw());
  EXPECT_FALSE(json_answer("n is 5"));
  EXPECT_FALSE(json_answer(std::string(100'000, '[')));
  const Schema pattern = make_pattern("^a.*z$|q").value_or_throw();
  EXPECT_EQ("", schema_breach(pattern, "abz"));
  EXPECT_EQ("", schema_breach(pattern, "xxqxx"));
  EXPECT_NE("", schema_breach(pattern, "abzx"));
}

}  // namespace
}  // namespace toccata::task
