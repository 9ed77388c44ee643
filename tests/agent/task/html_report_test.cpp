#include "agent/task/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toccata::task {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

BatchReport report_of(const std::vector<std::string>& statuses, const std::string& text) {
  BatchReport report;
  report.n_rows = statuses.size();
  for (const std::string& status : statuses) {
    RowResult row;
    row.row = report.rows.size() + 1;
    row.status = status;
    row.message = row.output = text;
    row.input = {{"q", text}};
    row.tokens = 100;
    row.seconds = 1.5;
    row.steps = Value::array({{{"runs", {text}}}});
    (status == "passed" ? report.n_passed : report.n_failed) += 1;
    report.rows.push_back(row);
  }
  return report;
}

TEST(HtmlReportTest, NothingInARowIsMarkup) {
  const std::string page = html_report("<b>name</b>", report_of({"failed"}, "</td><script>alert('x')</script>\"&\x01\xFF"), {{}, {{"<i>", "<u>"}}});
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\xEF\xBF\xBD\xEF\xBF\xBD"));
  for (const char* raw : {"<b>", "<i>", "<u>", "</td><script"}) EXPECT_THAT(page, Not(HasSubstr(raw)));
}

TEST(HtmlReportTest, LoadsNothing) {
  const std::string page = html_report("t", report_of({"passed"}, "x"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* remote : {"http:", "https:", "src=", "href=", "@import", "url("}) EXPECT_THAT(page, Not(HasSubstr(remote))) << remote;
}

TEST(HtmlReportTest, ShowsSharesAndRows) {
  const std::string page = html_report("t", report_of({"passed", "passed", "passed", "failed"}, "x"));
  EXPECT_THAT(page, HasSubstr("75.0% (30-95)"));  // Wilson, 3 of 4
  EXPECT_THAT(page, HasSubstr("<title>4 from 95 to 100</title>")) << "four rows of 100 tokens";
  EXPECT_THAT(page, HasSubstr("<tr class=\"failed\"><td>4</td>"));
  EXPECT_THAT(html_report("t", report_of({}, "")), HasSubstr("<tbody>\n</tbody>"));
  EXPECT_THAT(html_report("t", report_of({"passed"}, "x"), {{{"pass@8", 0.5, 0.5, 0.5}}, {}}), HasSubstr("pass@8"));
}

TEST(HtmlReportTest, LongTextsAreCutBetweenCharacters) {
  std::string text(599, 'a');
  text += "\xC3\xA9" + std::string(1000, 'b');
  EXPECT_THAT(html_report("t", report_of({"passed"}, text)), HasSubstr(std::string(599, 'a') + " ..."));
}

}  // namespace
}  // namespace toccata::task
