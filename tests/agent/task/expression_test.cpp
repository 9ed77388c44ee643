#include "agent/task/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/task/number_text.h"
#include "core/base/json.h"

namespace toccata::task {
namespace {

using ::testing::HasSubstr;

const Scope& scope() {
  static const Scope value = Scope::parse(R"({
    "params": {"n": 3, "name": "Ada", "list": ["a", "b"], "on": true},
    "steps": {"sum": {"output": {"total": 7, "parts": [{"x": 1}, {"x": 2}]}, "text": "total: 7", "status": "done"}}})");
  return value;
}

Value eval(const std::string& source) { return Expression::parse(source).value_or_throw().evaluate(scope()); }

std::string failure(const std::string& source) {
  try {
    const Result<Expression> parsed = Expression::parse(source);
    if (!parsed) return parsed.error().message;
    return "no failure: " + json_text(parsed->evaluate(scope()));
  } catch (const Exception& e) {
    return e.what();
  }
}

TEST(ExpressionTest, Evaluates) {
  const std::pair<const char*, Value> cases[] = {
      {"params.n", 3},
      {"params.n > 2 and not (params.name == 'Bob')", true},
      {"params.n == 3.0", true},
      {"params.n != 3 or params.on", true},
      {"steps.sum.output.parts[1].x", 2},
      {"steps.sum.output.parts[-1].x", 2},
      {"steps['sum'].output['total']", 7},
      {"'b' in params.list", true},
      {"'c' not in params.list", true},
      {"params.n in [1, 2, 3]", true},
      {"params.name | upper", "ADA"},
      {"params.list | join(', ')", "a, b"},
      {"params.list | length >= 2", true},
      {"params.missing | default('x')", "x"},
      {"steps.sum.text | number", 7},
      {"steps.sum.output | json", R"({"total":7,"parts":[{"x":1},{"x":2}]})"},
      {"'a\\nb' | lines | last", "b"},
      {"-1.5e1", -15.0},
      {"null", nullptr},
      {"'it\\'s'", "it's"},
      {"notes | default(1)", 1},  // begins like `not`
  };
  for (const auto& [source, expected] : cases) EXPECT_EQ(expected, eval(source)) << source;
}

TEST(ExpressionTest, SaysWhatIsWrong) {
  EXPECT_THAT(failure("params.nmae"), HasSubstr("did you mean 'name'?"));
  EXPECT_THAT(failure("params.n.x"), HasSubstr("it is a number"));
  EXPECT_THAT(failure("params.list[2]"), HasSubstr("has 2 element(s)"));
  EXPECT_THAT(failure("params.n = 3"), HasSubstr("'=='"));
  EXPECT_THAT(failure("params.n | lenght"), HasSubstr("did you mean 'length'?"));
  EXPECT_THAT(failure("params.n | join"), HasSubstr("takes 1 argument"));
  EXPECT_THAT(failure("'open"), HasSubstr("closing quote"));
  EXPECT_THAT(failure("params.n <"), HasSubstr("it ends"));
  EXPECT_THAT(failure("params.n < 'a'"), HasSubstr("found a number and a text"));
  EXPECT_THAT(failure("1 2"), HasSubstr("not expected here"));
  EXPECT_THAT(failure(""), HasSubstr("it ends"));
  EXPECT_THAT(failure(std::string(100'000, '(')), HasSubstr("too deep"));
  EXPECT_THAT(failure(std::string(400'000, 'n') + "ot"), HasSubstr("there is no"));
  std::string nots;
  for (int i = 0; i < 100'000; ++i) nots += "not ";
  EXPECT_THAT(failure(nots + "1"), HasSubstr("too deep"));
}

TEST(TemplateTest, RendersOnce) {
  Scope hostile = {{"params", {{"a", "{{ params.b }}"}, {"b", "secret"}}}};
  EXPECT_EQ("x {{ params.b }} y", Template::parse("x {{params.a}} y").value_or_throw().render(hostile));
}

TEST(TemplateTest, OneExpressionKeepsItsType) {
  EXPECT_EQ(Value(3), Template::parse("{{ params.n }}").value_or_throw().value(scope()));
  EXPECT_EQ(Value(" 3"), Template::parse(" {{ params.n }}").value_or_throw().value(scope()));
  const auto tree = ValueTemplate::parse({{"k", {"{{ params.list }}", 1}}}).value_or_throw();
  EXPECT_EQ(json_from_valid<Value>(R"({"k": [["a", "b"], 1]})"), tree.value(scope()));
  EXPECT_EQ((Reference{"params", "list"}), tree.references().at(0));
}

TEST(TemplateTest, RefusesWhatIsNotClosed) {
  EXPECT_THAT(Template::parse("a {{ params.n").error().message, HasSubstr("without '}}'"));
}

TEST(NumberTextTest, FindsTheLastNumber) {
  const std::pair<const char*, std::optional<double>> cases[] = {
      {"48213 * 977 + 5 = 47104106", 47104106}, {"It is 1,234,567.5.", 1234567.5}, {"-3", -3},      {"3-2", 2},
      {"1e-3 m", 1e-3},                         {"12,34", 34},                     {"none", {}},    {"3. Next", 3},
      {"x = -0.5,", -0.5},                      {"9e999999", {}}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(expected, last_number(text)) << text;
}

}  // namespace
}  // namespace toccata::task
