#include "tools/browser/page_view.h"

#include <algorithm>

#include "tools/browser/text.h"
#include "tools/browser/text_wrap.h"

namespace toccata::tools {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kWindowTokens = 1024;
constexpr std::size_t kUrlCharsMax = 1024;
// No token of the vocabulary is longer than 128 bytes: text past this cannot be in the window.
constexpr std::size_t kWindowBytesMax = kWindowTokens * 128;

std::string percent_decoded(std::string_view url) {
  std::string out;
  for (std::size_t i = 0; i < url.size(); ++i) {
    const auto hex = [&](std::size_t at) {
      const std::string_view digits = "0123456789abcdef";
      return at < url.size() ? digits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(url[at]))))
                             : std::string_view::npos;
    };
    const std::size_t high = hex(i + 1);
    const std::size_t low = hex(i + 2);
    const bool escaped = url[i] == '%' && high != std::string_view::npos && low != std::string_view::npos;
    const auto byte = static_cast<unsigned char>(escaped ? high * 16 + low : 0);
    // Control characters stay spelled out.
    if (escaped && byte >= 0x20 && byte != 0x7F) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += url[i];
    }
  }
  return out;
}

std::string shown_url(const std::string& url) {
  return shortened(neutral(valid_utf8(percent_decoded(url))), kUrlCharsMax);
}

int window_lines(const Page& page, int loc, const TokenPrefix& prefix) {
  std::string text;
  for (auto i = static_cast<std::size_t>(loc); i < page.lines.size() && text.size() < kWindowBytesMax; ++i) {
    if (!text.empty()) text += '\n';
    text += "L" + std::to_string(i) + ": " + page.lines[i];
  }
  const int rest = static_cast<int>(page.lines.size()) - loc;
  if (count_chars(text) <= kWindowTokens) return rest;
  const std::size_t end = prefix(text, kWindowTokens);
  int lines = 1;
  std::size_t n = 0;
  for (const char c : text) {
    if (is_continuation(c)) continue;
    if (n++ == end) return lines;
    if (c == '\n') ++lines;
  }
  return rest;
}

}  // namespace

std::vector<std::string> page_lines(const std::string& url, const std::string& text) {
  return text_lines("\nURL: " + neutral(valid_utf8(url)) + "\n" + text);
}

std::vector<std::string> text_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::string_view left = text;
  while (true) {
    const std::size_t end = left.find('\n');
    auto wrapped = wrap_line(left.substr(0, end), kColumns);
    if (wrapped.empty()) wrapped.emplace_back();
    lines.insert(lines.end(), wrapped.begin(), wrapped.end());
    if (end == std::string_view::npos) return lines;
    left.remove_prefix(end + 1);
  }
}

std::string show_page(const Page& page, int cursor, int loc, int n_lines, const TokenPrefix& prefix) {
  const int total = static_cast<int>(page.lines.size());
  const int count = n_lines > 0 ? n_lines : window_lines(page, loc, prefix);
  const int end = static_cast<int>(std::min<std::int64_t>(total, std::int64_t{loc} + count));
  std::string out = "[" + std::to_string(cursor) + "] " + page.title;
  if (!page.url.empty()) out += " (" + shown_url(page.url) + ")";
  out += "\n**viewing lines [" + std::to_string(loc) + " - " + std::to_string(end - 1) + "] of " +
         std::to_string(total - 1) + "**\n";
  if (page.whole != nullptr) {
    out += "**main content only: `open` with `view_source`: true shows the whole page, lines [0 - " +
           std::to_string(page.whole->lines.size() - 1) + "]**\n";
  }
  for (int i = loc; i < end; ++i) {
    out += "\nL" + std::to_string(i) + ": " + page.lines[static_cast<std::size_t>(i)];
  }
  return out;
}

std::vector<std::string> without_markers(const std::vector<std::string>& lines) {
  static constexpr std::string_view kOpen = "【";
  static constexpr std::string_view kClose = "】";
  static constexpr std::string_view kDagger = "†";
  enum class Part { kText, kId, kLabel, kDomain };
  Part part = Part::kText;
  std::vector<std::string> out;
  out.reserve(lines.size());
  for (const std::string& line : lines) {
    std::string shown;
    for (std::size_t i = 0; i < line.size();) {
      const std::string_view rest = std::string_view(line).substr(i);
      if (rest.starts_with(kOpen)) {
        part = Part::kId;
        i += kOpen.size();
      } else if (part != Part::kText && rest.starts_with(kClose)) {
        part = Part::kText;
        i += kClose.size();
      } else if (part != Part::kText && rest.starts_with(kDagger)) {
        part = part == Part::kId ? Part::kLabel : Part::kDomain;
        i += kDagger.size();
      } else {
        if (part == Part::kText || part == Part::kLabel) shown += line[i];
        ++i;
      }
    }
    out.push_back(std::move(shown));
  }
  return out;
}

}  // namespace toccata::tools
