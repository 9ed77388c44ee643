#include "agent/task/html_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "agent/task/markup.h"
#include "agent/task/share_interval.h"

namespace toccata::task {
namespace {

constexpr std::size_t kShown = 600;  // bytes of one text in the table

std::string shown(const Value& value) {
  std::string text = to_text(value);
  if (text.size() > kShown) {
    text.resize(kShown);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0xC0) text.pop_back();
    text += " ...";
  }
  return markup(text);
}

std::string number(double value, const char* format = "%.1f") {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// 12 -> "12", 12345 -> "12.3k": for axes.
std::string brief(double value) {
  if (value >= 1e6) return number(value / 1e6) + "M";
  if (value >= 1e4) return number(value / 1e3) + "k";
  return number(value, value >= 10 || value == std::floor(value) ? "%.0f" : "%.2f");
}

std::string bars_svg(const std::vector<ShareBar>& bars) {
  constexpr int kRow = 26, kLeft = 190, kWidth = 400;
  const int height = static_cast<int>(bars.size()) * kRow + 22;
  std::string out = "<svg role=\"img\" viewBox=\"0 0 680 " + std::to_string(height) + "\" width=\"680\" height=\"" + std::to_string(height) + "\">\n";
  const auto x = [&](double share) { return number(kLeft + kWidth * std::clamp(share, 0.0, 1.0)); };
  for (int percent = 0; percent <= 100; percent += 25) {
    const std::string at = x(percent / 100.0);
    out += "<line class=\"grid\" x1=\"" + at + "\" x2=\"" + at + "\" y1=\"0\" y2=\"" + std::to_string(height - 18) + "\"/><text class=\"tick\" x=\"" + at +
           "\" y=\"" + std::to_string(height - 4) + "\" text-anchor=\"middle\">" + std::to_string(percent) + "%</text>\n";
  }
  int y = 4;
  for (const ShareBar& bar : bars) {
    const std::string middle = std::to_string(y + 9);
    out += "<text x=\"" + std::to_string(kLeft - 8) + "\" y=\"" + std::to_string(y + 13) + "\" text-anchor=\"end\">" + markup(bar.name) + "</text>" +
           "<rect class=\"bar\" x=\"" + std::to_string(kLeft) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
           number(kWidth * std::clamp(bar.value, 0.0, 1.0)) + "\" height=\"18\"/>";
    std::string label = number(100 * bar.value) + "%";
    if (bar.high > bar.low) {
      out += "<path class=\"interval\" d=\"M" + x(bar.low) + " " + middle + "H" + x(bar.high) + "M" + x(bar.low) + " " + std::to_string(y + 4) + "v10M" +
             x(bar.high) + " " + std::to_string(y + 4) + "v10\"/>";
      label += " (" + number(100 * bar.low, "%.0f") + "-" + number(100 * bar.high, "%.0f") + ")";
    }
    out += "<text x=\"" + std::to_string(kLeft + kWidth + 8) + "\" y=\"" + std::to_string(y + 13) + "\">" + label + "</text>\n";
    y += kRow;
  }
  return out + "</svg>\n";
}

// Twenty columns of equal width from 0 to the largest value.
std::string histogram_svg(const std::string& title, const std::vector<double>& values) {
  constexpr std::size_t kColumns = 20;
  constexpr int kColumn = 16, kHeight = 120;
  if (values.empty()) return "";
  double largest = *std::max_element(values.begin(), values.end());
  if (!(largest > 0)) largest = 1;
  std::vector<std::size_t> counts(kColumns, 0);
  for (const double value : values) {
    const double at = std::clamp(value / largest, 0.0, 1.0) * static_cast<double>(kColumns);
    ++counts[std::min(kColumns - 1, static_cast<std::size_t>(at))];
  }
  const std::size_t most = *std::max_element(counts.begin(), counts.end());
  std::string out = "<figure><figcaption>" + markup(title) + "</figcaption><svg role=\"img\" viewBox=\"0 0 330 150\" width=\"330\" height=\"150\">\n";
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (counts[i] == 0) continue;
    const double height = std::max(2.0, kHeight * static_cast<double>(counts[i]) / static_cast<double>(most));
    const double width = largest / static_cast<double>(kColumns);
    out += "<rect class=\"bar\" x=\"" + std::to_string(5 + static_cast<int>(i) * kColumn) + "\" y=\"" + number(kHeight + 5 - height) + "\" width=\"" +
           std::to_string(kColumn - 2) + "\" height=\"" + number(height) + "\"><title>" + std::to_string(counts[i]) + " from " +
           brief(width * static_cast<double>(i)) + " to " + brief(width * static_cast<double>(i + 1)) + "</title></rect>\n";
  }
  out += "<line class=\"axis\" x1=\"5\" x2=\"325\" y1=\"125.5\" y2=\"125.5\"/><text class=\"tick\" x=\"5\" y=\"142\">0</text><text class=\"tick\" x=\"325\" y=\"142\" "
         "text-anchor=\"end\">" + brief(largest) + "</text></svg></figure>\n";
  return out;
}

std::string table(const BatchReport& report) {
  std::string out =
      "<table id=\"rows\"><thead><tr><th>row</th><th>status</th><th>exit</th><th>seconds</th><th>tokens</th><th>input</th><th>output</th><th>why"
      "</th><th>runs</th></tr></thead>\n<tbody>\n";
  for (const RowResult& row : report.rows) {
    std::string runs;
    if (row.steps.is_array()) {
      for (const Value& step : row.steps) {
        if (!step.is_object() || !step.contains("runs") || !step["runs"].is_array()) continue;
        for (const Value& run : step["runs"]) runs += (runs.empty() ? "" : " ") + to_text(run);
      }
    }
    const std::string status = markup(row.status);
    out += "<tr class=\"" + status + "\"><td>" + std::to_string(row.row) + "</td><td>" + status + "</td><td>" + std::to_string(row.exit_code) + "</td><td>" +
           number(row.seconds, "%.2f") + "</td><td>" + std::to_string(row.tokens) + "</td><td>" + shown(row.input) + "</td><td>" + shown(row.output) +
           "</td><td>" + shown(row.message) + "</td><td><code>" + markup(runs) + "</code></td></tr>\n";
  }
  return out + "</tbody></table>\n";
}

constexpr const char* kHead = R"(<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #667; --line: #d5d9e0; --bar: #4a7fd0; --good: #2b7a3d; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e6ea; --paper: #15181c; --soft: #99a; --line: #363c45; --bar: #6f9fe8; --good: #6cc483; --bad: #f28b82; }
}
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2em auto; max-width: 1200px; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.6em; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .6em; }
dt { color: var(--soft); } dd { margin: 0; font-size: 1.25em; }
figure { display: inline-block; margin: 0 2em 1em 0; } figcaption { color: var(--soft); }
svg text { fill: var(--ink); font-size: 13px; } svg .tick { fill: var(--soft); font-size: 11px; }
.bar { fill: var(--bar); } .grid, .axis { stroke: var(--line); } .interval { stroke: var(--ink); stroke-width: 1.5; fill: none; }
table { border-collapse: collapse; width: 100%; table-layout: auto; } th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid var(--line); }
td { white-space: pre-wrap; overflow-wrap: anywhere; } th { position: sticky; top: 0; background: var(--paper); }
tr.passed td:nth-child(2) { color: var(--good); } tr.failed td:nth-child(2), tr.error td:nth-child(2) { color: var(--bad); }
code { font-size: .85em; }
</style>
)";

// The page can be read without it: the filter alone is lost.
constexpr const char* kScript = R"(<script>
{
const rows = document.querySelectorAll('#rows tbody tr'), text = document.getElementById('text'), status = document.getElementById('status');
function filter() {
  let n = 0;
  for (const row of rows) {
    const on = (!status.value || row.className === status.value) && row.textContent.toLowerCase().includes(text.value.toLowerCase());
    row.hidden = !on;
    n += on;
  }
  document.getElementById('count').textContent = n + ' of ' + rows.length;
}
text.oninput = status.onchange = filter;
filter();
}
</script>
)";

}  // namespace

std::string html_report(const std::string& task_name, const BatchReport& report, const HtmlExtras& extras) {
  std::vector<ShareBar> bars = extras.bars;
  const std::size_t n_ended = report.n_passed + report.n_failed + report.n_errors;
  if (bars.empty() && n_ended > 0) {
    const auto [low, high] = wilson(report.n_passed, n_ended);
    bars.push_back({"passed", static_cast<double>(report.n_passed) / static_cast<double>(n_ended), low, high});
  }
  std::vector<std::pair<std::string, std::string>> figures = {
      {"rows", std::to_string(report.n_rows)},     {"passed", std::to_string(report.n_passed)},
      {"failed", std::to_string(report.n_failed)}, {"errors", std::to_string(report.n_errors)},
      {"not reached", std::to_string(report.n_missing)}, {"tokens", std::to_string(report.tokens)},
      {"seconds", number(report.seconds)}};
  figures.insert(figures.end(), extras.figures.begin(), extras.figures.end());
  std::vector<double> tokens, seconds;
  for (const RowResult& row : report.rows) {
    tokens.push_back(static_cast<double>(row.tokens));
    seconds.push_back(row.seconds);
  }
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + markup(task_name) + "</title>\n" + kHead +
                    "</head><body>\n<h1>" + markup(task_name) + "</h1>\n<dl>\n";
  for (const auto& [name, value] : figures) out += "<div><dt>" + markup(name) + "</dt><dd>" + markup(value) + "</dd></div>\n";
  out += "</dl>\n<h2>Shares</h2>\n" + bars_svg(bars) + "<h2>Cost of a row</h2>\n" + histogram_svg("tokens", tokens) + histogram_svg("seconds", seconds) +
         "<h2>Rows</h2>\n<p><input id=\"text\" type=\"search\" placeholder=\"filter\" aria-label=\"filter\"> <select id=\"status\" aria-label=\"status\"><option "
         "value=\"\">all</option><option>passed</option><option>failed</option><option>error</option></select> <span id=\"count\"></span></p>\n" +
         table(report) + kScript + "</body></html>\n";
  return out;
}

}  // namespace toccata::task
