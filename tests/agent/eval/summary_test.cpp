#include "agent/eval/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::eval {
namespace {

using ::testing::HasSubstr;

task::RowResult row(std::size_t number, const std::string& verdict, int exit_code = 0) {
  task::RowResult result;
  result.row = number;
  result.tokens = 100;
  result.seconds = 2;
  result.exit_code = exit_code;
  result.status = verdict == "correct" ? "passed" : verdict == "error" ? "error" : "failed";
  result.steps = Value::array({{{"reason", ""}, {"verdicts", Value::array({{{"verdict", verdict}, {"metrics", {{"m", 0.5}}}}})}}});
  return result;
}

TEST(SummaryTest, OneAnswerEach) {
  task::BatchReport report;
  report.rows = {row(1, "correct"), row(2, "incorrect"), row(3, "abstained"), row(4, "error", 124), row(5, "error", 7)};
  report.n_missing = 2;
  const Summary summary = summarize(find_preset("facts").value_or_throw(), report);
  EXPECT_EQ(4u, summary.n_answers);
  EXPECT_EQ(1u, summary.n_errors) << "a model that failed says nothing about the item";
  EXPECT_DOUBLE_EQ(0.25, summary.accuracy);
  EXPECT_EQ("wilson", summary.method);
  EXPECT_DOUBLE_EQ(0.25, summary.metrics.at("abstention_rate"));
  EXPECT_DOUBLE_EQ(0.25, summary.metrics.at("hallucination_rate"));
  EXPECT_DOUBLE_EQ(0.5, summary.metrics.at("accuracy_when_answered"));
  EXPECT_DOUBLE_EQ(0.5, summary.metrics.at("m"));
  EXPECT_EQ(1u, summary.verdicts.at("no_answer"));
  EXPECT_EQ(100, summary.tokens.mean);
  EXPECT_THAT(summary_text(summary), HasSubstr("NOT COUNTED: 1"));
  EXPECT_EQ(0.25, to_json(summary)["accuracy"]["value"]);
}

TEST(SummaryTest, AJudgeThatFailedSaysNothing) {
  task::RowResult judged = row(1, "error", 124);
  judged.steps[0]["reason"] = "judge";
  EXPECT_EQ("", verdict_of(judged));
  EXPECT_EQ("no_answer", verdict_of(row(1, "error", 124)));
}

TEST(SummaryTest, SeveralAnswersEach) {
  task::BatchReport report;
  for (const char* v : {"correct", "incorrect", "incorrect"}) report.rows.push_back(row(1, v));
  for (const char* v : {"correct", "correct", "correct"}) report.rows.push_back(row(2, v));
  for (const char* v : {"incorrect", "incorrect", "incorrect"}) report.rows.push_back(row(3, v));
  const Summary summary = summarize(find_preset("numeric").value_or_throw(), report);
  EXPECT_EQ(3u, summary.n_items);
  EXPECT_NEAR(4.0 / 9, summary.accuracy, 1e-12);
  EXPECT_EQ("bootstrap", summary.method);
  EXPECT_EQ(3u, summary.pass_at_k.size());
  EXPECT_NEAR(4.0 / 9, summary.pass_at_k.at(1), 1e-12);
  EXPECT_NEAR((2.0 / 3 + 1) / 3, summary.pass_at_k.at(2), 1e-12);
  EXPECT_NEAR(2.0 / 3, summary.pass_at_k.at(3), 1e-12);
}

}  // namespace
}  // namespace toccata::eval
