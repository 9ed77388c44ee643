#include "agent/loop/approval_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace toccata::agent {
namespace {

using Action = ApprovalRule::Action;
using Fit = ApprovalRule::Fit;

Fit fits(std::string_view rule, std::string_view recipient, std::string_view arguments) {
  return ApprovalRule::parse(rule).value_or_throw().fits(recipient, arguments);
}

TEST(ApprovalRuleTest, ToolsAreNamedWholeByNamespaceOrByPattern) {
  EXPECT_EQ(fits("functions.send=ask", "functions.send", "{}"), Fit::kYes);
  EXPECT_EQ(fits("send=ask", "functions.send", "{}"), Fit::kYes);
  EXPECT_EQ(fits("browser=ask", "browser.open", "{}"), Fit::kYes);
  EXPECT_EQ(fits("github.delete_*=ask", "github.delete_branch", "{}"), Fit::kYes);
  EXPECT_EQ(fits("*=ask", "python", "1"), Fit::kYes);
  EXPECT_EQ(fits("send=ask", "functions.send_all", "{}"), Fit::kNo);
  EXPECT_EQ(fits("open=ask", "browser.open", "{}"), Fit::kNo);
  EXPECT_EQ(fits("Send=ask", "functions.send", "{}"), Fit::kNo);
}

TEST(ApprovalRuleTest, ArgumentsAreComparedWhole) {
  EXPECT_EQ(fits("f:path=notes/*=allow", "functions.f", R"({"path":"notes/a/b"})"), Fit::kYes);
  EXPECT_EQ(fits("f:path=notes/*=allow", "functions.f", R"({"path":"x/notes/a"})"), Fit::kNo);
  EXPECT_EQ(fits("f:path=notes/*=allow", "functions.f", R"({"other":"notes/a"})"), Fit::kNo);
  EXPECT_EQ(fits("f:path=notes/?.md=allow", "functions.f", R"({"path":"notes/ü.md"})"), Fit::kYes);
  EXPECT_EQ(fits("f:n=3=allow", "functions.f", R"({"n":3})"), Fit::kYes);
  EXPECT_EQ(fits("f:n=true=allow", "functions.f", R"({"n":true})"), Fit::kYes);
  EXPECT_EQ(fits("f:o={\"a\":*}=allow", "functions.f", R"({"o":{"a":1}})"), Fit::kYes);
  EXPECT_EQ(fits("shell:command=git status*=allow", "functions.shell", R"({"command":["git","status","-s"]})"), Fit::kYes);
  EXPECT_EQ(fits("f:x=a=b=allow", "functions.f", R"({"x":"a=b"})"), Fit::kYes);
  EXPECT_EQ(fits("f:x==allow", "functions.f", R"({"x":""})"), Fit::kYes);
}

TEST(ApprovalRuleTest, ARegularExpressionIsFoundAnywhere) {
  EXPECT_EQ(fits(R"(shell:command~\brm\b=deny)", "functions.shell", R"({"command":"cd /x && rm -rf ."})"), Fit::kYes);
  EXPECT_EQ(fits(R"(shell:command~\brm\b=deny)", "functions.shell", R"({"command":"charm"})"), Fit::kNo);
  EXPECT_EQ(fits(R"(python:code~(?m)^import\s+socket=deny)", "python", "x = 1\nimport socket\n"), Fit::kYes);
  EXPECT_EQ(fits("python:text~x=deny", "python", "x"), Fit::kNo);
}

// What cannot be decided is for a person.
TEST(ApprovalRuleTest, AnExpressionThatBacktracksForEverIsUndecided) {
  const auto rules = {ApprovalRule::parse("f:x~^(a+)+$=allow").value_or_throw(), ApprovalRule::parse("f=allow").value_or_throw()};
  const auto verdict = ruled(rules, "functions.f", R"({"x":")" + std::string(50, 'a') + R"(!"})");
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->action, Action::kAsk);
}

TEST(ApprovalRuleTest, TheFirstThatFitsWins) {
  const auto rules = {ApprovalRule::parse("f:x=1=deny").value_or_throw(), ApprovalRule::parse("f=allow").value_or_throw(), ApprovalRule::parse("*=ask").value_or_throw()};
  EXPECT_EQ(ruled(rules, "functions.f", R"({"x":1})")->action, Action::kDeny);
  EXPECT_EQ(ruled(rules, "functions.f", R"({"x":2})")->action, Action::kAllow);
  EXPECT_EQ(ruled(rules, "python", "1")->action, Action::kAsk);
  EXPECT_FALSE(ruled({}, "python", "1"));
}

TEST(ApprovalRuleTest, WrongRulesAreRefusedInWords) {
  for (const auto& [text, said] : std::vector<std::pair<std::string, std::string>>{
           {"", "has no '='"}, {"f", "has no '='"}, {"f=maybe", "ends with 'maybe'"}, {"=allow", "names no tool"},
           {"f:x=allow", "says of no argument"}, {"f:=x=allow", "says of no argument"}, {"a b=allow", "names no tool"},
           {"f:x~(=allow", "regular expression that cannot be used"}, {"f:x~=allow", "regular expression that cannot be used"}}) {
    const auto rule = ApprovalRule::parse(text);
    ASSERT_FALSE(rule) << text;
    EXPECT_EQ(rule.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(rule.error().message, ::testing::HasSubstr(said));
  }
}

TEST(ApprovalRuleTest, GlobsEndInTime) {
  const std::string text(20'000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(glob_fits("*a*a*a*a*a*a*a*a*b", text));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(ApprovalRuleTest, AnyBytesAreReadWithoutACrash) {
  std::mt19937 random(3);
  const std::string signs = "f:x=~*?()[]allowaskdeny\\{}+ \xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (auto n = random() % 24; n > 0; --n) text += signs[random() % signs.size()];
    if (round % 2 == 0) text += "=deny";
    if (const auto rule = ApprovalRule::parse(text)) (void)rule->fits("functions.f", R"({"x":"aaa"})");
  }
}

}  // namespace
}  // namespace toccata::agent
