#include "agent/loop/shown_pages.h"

#include <charconv>

#include "tools/browser/page_view.h"

namespace toccata::agent {
namespace {

constexpr std::int64_t kLinesMax = 200'000;  // of one page: a number from a text decides nothing about memory
constexpr std::size_t kPagesMax = 10'000;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// The number that `text` begins with, which is cut off.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

bool shows_pages(std::string_view author) {
  return author.starts_with("browser.") || author.starts_with("functions.browser.");
}

// [3] Title (https://example.org/)
// **viewing lines [0 - 17] of 40**
//
// L0: ...
void ShownPages::show(std::string_view text) {
  std::string_view head = take_line(text);
  if (!head.starts_with('[')) return;
  head.remove_prefix(1);
  const auto cursor = take_number(head);
  if (!cursor || !head.starts_with("] ") || !text.starts_with("**viewing lines [") || pages_.size() >= kPagesMax) return;
  head.remove_prefix(2);
  Shown page;
  // An address holds no " (": the last one begins it.
  const std::size_t open = head.rfind(" (");
  if (open != std::string_view::npos && head.ends_with(')')) {
    page.url = head.substr(open + 2, head.size() - open - 3);
    head = head.substr(0, open);
    page.url.resize(std::min(page.url.size(), page.url.find("/find?pattern=")));
    for (std::size_t at = page.url.find(' '); at != std::string::npos; at = page.url.find(' ', at)) page.url.replace(at, 1, "%20");
  }
  page.title = head;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with('L')) continue;
    line.remove_prefix(1);
    const auto number = take_number(line);
    if (!number || !line.starts_with(": ") || *number >= kLinesMax) continue;
    page.lines.insert_or_assign(*number, std::string(line.substr(2)));
  }
  pages_[*cursor] = std::move(page);
}

std::optional<tools::CitablePage> ShownPages::citable(std::int64_t cursor) const {
  const auto found = pages_.find(cursor);
  if (found == pages_.end()) return std::nullopt;
  const Shown& shown = found->second;
  tools::CitablePage page{shown.url, shown.title, {}};
  if (shown.lines.empty()) return page;
  std::vector<std::string> lines;
  for (const auto& [number, line] : shown.lines) lines.push_back(line);
  lines = tools::without_markers(lines);
  page.lines.resize(static_cast<std::size_t>(shown.lines.rbegin()->first) + 1);
  std::size_t i = 0;
  for (const auto& [number, line] : shown.lines) page.lines[static_cast<std::size_t>(number)] = std::move(lines[i++]);
  return page;
}

void RunPages::show(std::string_view author, std::string_view text) {
  if (shows_pages(author)) shown_.show(text);
}

std::optional<tools::CitablePage> RunPages::citable(std::int64_t cursor) const {
  for (const auto& tool : registry_.tools()) {
    const tools::CitablePages* pages = tool->citable_pages();
    if (pages == nullptr) continue;
    if (auto page = pages->citable(cursor)) return page;
  }
  return shown_.citable(cursor);
}

}  // namespace toccata::agent
