#include "agent/eval/graders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/task/sha256.h"
#include "core/base/json.h"
#include "tests/agent/task/fake_host.h"

namespace toccata::eval {
namespace {

using ::testing::HasSubstr;

bool right(const Value& grade) { return grade.at("verdict") == "correct"; }

TEST(NumberGraderTest, ReadsNumbersAsTheyAreWritten) {
  EXPECT_EQ(1234567.0, number_of("1,234,567"));
  EXPECT_EQ(-0.5, number_of("-\\frac{1}{2}"));
  EXPECT_EQ(0.75, number_of("\\dfrac34"));
  EXPECT_EQ(0.75, number_of(" 3 / 4 "));
  EXPECT_EQ(5.0, number_of("$5$."));
  EXPECT_EQ(-7.0, number_of("\xE2\x88\x92""7"));
  EXPECT_EQ(12.5e3, number_of("1.25e4"));
  for (const char* no : {"", "x", "1,23", "12,34", "1/0", "\\frac{1}{}", "\\frac{1", "5 apples", "1,2,3", "--5"}) {
    EXPECT_FALSE(number_of(no)) << no;
  }
}

TEST(NumberGraderTest, BoxedThenLast) {
  EXPECT_EQ("\\frac{1}{2}", last_boxed("\\boxed{3} and so \\boxed{\\frac{1}{2}}."));
  EXPECT_FALSE(last_boxed("\\boxed{3"));
  EXPECT_FALSE(last_boxed("\\boxed 3"));
  const struct {
    const char* answer;
    const char* expected;
    bool right;
  } cases[] = {
      {"So \\boxed{204}, with 3 steps.", "204", true},
      {"\\boxed{1} no, \\boxed{204}", "204", true},
      {"\\boxed{204} no, \\boxed{1}", "204", false},
      {"\\boxed{N = 204}", "204", true},
      {"\\boxed{0204}", "204", true},
      {"It is 47,104,106.", "47104106", true},
      {"47104106", "47,104,106", true},
      {"first 204, then 12", "204", false},
      {"-5", "5", false},
      {"10-5", "5", true},
      {"", "5", false},
      {"none", "5", false},
      {"\\boxed{none} 5", "5", false},
      {"123456789012345678901234567890", "123456789012345678901234567891", false},
      {"123456789012345678901234567890", "123456789012345678901234567890", true},
      {"\\boxed{\\frac{2}{4}}", "0.5", true},
      {"0.3333333333333", "1/3", true},
      {"it is 3/4", "0.75", true},
      {"2.50", "2.5", true},
  };
  for (const auto& c : cases) EXPECT_EQ(c.right, right(grade_number(c.answer, c.expected, 0, 0))) << c.answer;
  EXPECT_TRUE(right(grade_number("3.14", "3.14159", 0.01, 0)));
  EXPECT_TRUE(right(grade_number("101", "100", 0, 0.01)));
  EXPECT_FALSE(right(grade_number("102", "100", 0, 0.01)));
}

TEST(ChoiceGraderTest, FindsTheLetter) {
  const struct {
    const char* answer;
    std::optional<char> letter;
  } cases[] = {
      {"Answer: C", 'C'},           {"**Answer:** (B)", 'B'},       {"The answer is D.", 'D'},
      {"\\boxed{\\text{A}}", 'A'},  {"B", 'B'},                     {"(c)", 'C'},
      {"It may be A.\n\nC)", 'C'},  {"Answer: A\nno\nAnswer: B", 'B'}, {"The final answer: **d**", 'D'},
      {"The answer is a matter of taste", std::nullopt}, {"Answer: E", std::nullopt}, {"Answer: Because", std::nullopt},
      {"", std::nullopt},           {"A or B", std::nullopt},       {"the correct choice seems unclear", std::nullopt},
      {"Answer:", std::nullopt},    {"answer", std::nullopt},       {"Answer is option B", 'B'},
  };
  for (const auto& c : cases) EXPECT_EQ(c.letter, chosen_letter(c.answer, 4)) << c.answer;
}

TEST(ChoiceGraderTest, PermutationsDependOnTheText) {
  const auto one = permutation("question 1", 6);
  EXPECT_EQ(one, permutation("question 1", 6));
  auto sorted = one;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_THAT(sorted, ::testing::ElementsAre(0, 1, 2, 3, 4, 5));
  std::vector<int> first(4, 0);  // each place is reached
  for (int i = 0; i < 400; ++i) ++first[permutation(std::to_string(i), 4)[0]];
  for (const int n : first) EXPECT_GT(n, 50);
}

TEST(CodeGraderTest, TakesTheLastBlock) {
  EXPECT_EQ("print(2)\n", program_of("a\n```python\nprint(1)\n```\nb\n```py\nprint(2)\n```\nend"));
  EXPECT_EQ("print(1)", program_of("print(1)"));
  EXPECT_EQ("print(1)\n", program_of("x\n```\nprint(1)\n"));
  EXPECT_EQ("s = '```'\n", program_of("```\ns = '```'\n```"));
}

// A sandbox that says this of every test.
class HarnessHost final : public task::Host {
 public:
  explicit HarnessHost(std::vector<std::string> printed, std::string status = "ok") : printed_(std::move(printed)), status_(std::move(status)) {}
  task::StepEnd run_step(const task::StepOrder&, std::stop_token) override { return {}; }
  Result<std::string> read_file(const std::string&) override { return Error{ErrorCode::kNotFound, "none"}; }
  Result<std::string> keep_artifact(const std::string&, const std::string&, const std::string&) override { return std::string(); }
  task::CheckEnd run_check(const task::CheckOrder& order, std::stop_token) override {
    orders.push_back(order);
    if (status_ == "broken") return {false, "no interpreter", {}};
    const Value job = json_from_valid<Value>(order.context.at("harness.json"));
    std::string out;
    for (std::size_t i = 0; i < job["inputs"].size() && at_ < printed_.size(); ++i) {
      task::Sha256 hash;
      hash.add_bytes(printed_[at_]);
      out += job["mark"].get<std::string>() +
             task::to_json_text({{"status", status_}, {"digest", hash.hex()}, {"shown", printed_[at_]}, {"said", "Error: x"}}) + "\n";
      ++at_;
    }
    return {true, out, {}};
  }
  std::vector<task::CheckOrder> orders;

 private:
  std::vector<std::string> printed_;
  std::string status_;
  std::size_t at_ = 0;
};

Value grade_with(HarnessHost& host, const std::vector<ProgramTest>& tests) {
  const task::Scope scope = Value::object();
  const task::Files files;
  return grade_program("p", tests, {}, {scope, files, host});
}

TEST(CodeGraderTest, ComparesOutsideTheSandbox) {
  HarnessHost good({"1 2", "3"});
  EXPECT_TRUE(right(grade_with(good, {{"a", "1\n2\n"}, {"b", " 3 "}})));
  for (const task::CheckOrder& order : good.orders) {
    EXPECT_EQ(1u, order.context.size());
    EXPECT_EQ(std::string::npos, order.context.at("harness.json").find("1\\n2")) << "what is expected stays here";
  }
  HarnessHost bad({"1 2", "4"});
  const Value graded = grade_with(bad, {{"a", "1 2"}, {"b", "3"}});
  EXPECT_FALSE(right(graded));
  EXPECT_THAT(graded["reason"].get<std::string>(), HasSubstr("test 2 of 2: printed '4'"));
  EXPECT_EQ(1, graded["tests_passed"]);
  HarnessHost slow({"3"}, "time");
  EXPECT_THAT(grade_with(slow, {{"a", "3"}})["reason"].get<std::string>(), HasSubstr("took more than 5"));
  HarnessHost cut({"3"});
  EXPECT_FALSE(right(grade_with(cut, {{"a", "3"}, {"b", "3"}}))) << "a test that did not run is not passed";
  HarnessHost broken({}, "broken");
  EXPECT_THROW(grade_with(broken, {{"a", "3"}}), Exception) << "no sandbox says nothing about the program";
}

TEST(CallGraderTest, Matches) {
  const auto graded = [](const char* calls, const char* expected) { return grade_calls(json_from_valid<Value>(calls), json_from_valid<Value>(expected)); };
  const char* const weather = R"([{"name": "w", "arguments": {"city": ["Oslo", "oslo, norway"], "days": [3], "unit": ["C", ""]}}])";
  EXPECT_TRUE(right(graded(R"([{"name": "w", "arguments": {"city": "Oslo", "days": 3}}])", weather)));
  EXPECT_TRUE(right(graded(R"([{"name": "w", "arguments": {"city": "Oslo Norway", "days": 3.0, "unit": "C"}}])", weather)));
  for (const char* wrong : {
           R"([])", R"([{"name": "v", "arguments": {"city": "Oslo", "days": 3}}])", R"([{"name": "w", "arguments": {"city": "Oslo"}}])",
           R"([{"name": "w", "arguments": {"city": "Oslo", "days": 4}}])", R"([{"name": "w", "arguments": {"city": "Oslo", "days": "3"}}])",
           R"([{"name": "w", "arguments": {"city": "Oslo", "days": 3, "unit": "F"}}])",
           R"([{"name": "w", "arguments": {"city": "Oslo", "days": 3, "more": 1}}])", R"([{"name": "w", "arguments": "Oslo"}])",
           R"([{"name": "w", "arguments": {"city": "Oslo", "days": 3}}, {"name": "w", "arguments": {"city": "Oslo", "days": 3}}])"}) {
    const Value grade = graded(wrong, weather);
    EXPECT_FALSE(right(grade)) << wrong;
    EXPECT_NE("", grade["reason"]);
  }
  // The order does not matter, also where the first call fits both.
  const char* const two = R"([{"name": "f", "arguments": {"x": [1, 2]}}, {"name": "f", "arguments": {"x": [1]}}])";
  EXPECT_TRUE(right(graded(R"([{"name": "f", "arguments": {"x": 1}}, {"name": "f", "arguments": {"x": 2}}])", two)));
  EXPECT_FALSE(right(graded(R"([{"name": "f", "arguments": {"x": 2}}, {"name": "f", "arguments": {"x": 2}}])", two)));
  EXPECT_TRUE(right(graded("[]", "[]"))) << "nothing is to be called";
}

TEST(CitationGraderTest, ReadsAndJudges) {
  const std::string answer = "Oslo 【0†L2】, and rain 【1†L1-L3】 【1†L2-3】 【x†L1】 【1†L】 【0†y】";
  EXPECT_THAT(citations_of(answer), ::testing::ElementsAre(Citation{0, 2, 2}, Citation{1, 1, 3}, Citation{1, 2, 3}));
  EXPECT_TRUE(right(grade_citations(answer, {2, 3}, {{0, 2, 2}, {1, 0, 0}})));
  EXPECT_FALSE(right(grade_citations("none", {2}, {{0, 0, 0}})));
  EXPECT_FALSE(right(grade_citations("【0†L3】", {2}, {{0, 0, 0}}))) << "there is no third line";
  EXPECT_FALSE(right(grade_citations("【5†L1】【0†L1】", {2}, {{0, 0, 0}})));
  EXPECT_FALSE(right(grade_citations("【0†L2-L1】", {2}, {{0, 0, 0}})));
  EXPECT_FALSE(right(grade_citations("【0†L1】", {2, 2}, {{0, 0, 0}, {1, 1, 1}})));
  const Value partly = grade_citations("【0†L1】【1†L1】", {2, 2}, {{0, 1, 1}});
  EXPECT_TRUE(right(partly));
  EXPECT_DOUBLE_EQ(0.5, partly["metrics"]["citation_precision"].get<double>());
  EXPECT_FALSE(right(grade_citations("【99999999999999999999999†L1】", {2}, {{0, 0, 0}})));
}

}  // namespace
}  // namespace toccata::eval
