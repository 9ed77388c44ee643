#include "tools/browser/page_view.h"

#include <algorithm>

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
  std::string text = percent_decoded(url);
  if (text.size() > kUrlCharsMax) {
    text.resize(kUrlCharsMax - 3);
    text += "...";
  }
  return text;
}

int window_lines(const Page& page, int loc, const TokenPrefix& prefix) {
  std::string text;
  for (auto i = static_cast<std::size_t>(loc); i < page.lines.size() && text.size() < kWindowBytesMax; ++i) {
    if (!text.empty()) text += '\n';
    text += "L" + std::to_string(i) + ": " + page.lines[i];
  }
  const int rest = static_cast<int>(page.lines.size()) - loc;
  if (text.size() <= kWindowTokens) return rest;
  const std::size_t end = prefix(text, kWindowTokens);
  if (end >= text.size()) return rest;
  return static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n')) + 1;
}

}  // namespace

std::vector<std::string> page_lines(const std::string& url, const std::string& text) {
  std::vector<std::string> lines;
  const auto add = [&lines](std::string_view block) {
    while (true) {
      const std::size_t end = block.find('\n');
      const auto wrapped = wrap_line(block.substr(0, end), kColumns);
      if (wrapped.empty()) lines.emplace_back();
      lines.insert(lines.end(), wrapped.begin(), wrapped.end());
      if (end == std::string_view::npos) return;
      block.remove_prefix(end + 1);
    }
  };
  if (!url.empty()) add("\nURL: " + url);
  add(text);
  return lines;
}

std::string show_page(const Page& page, int cursor, int loc, int n_lines, const TokenPrefix& prefix) {
  const int total = static_cast<int>(page.lines.size());
  const int count = n_lines > 0 ? n_lines : window_lines(page, loc, prefix);
  const int end = static_cast<int>(std::min<std::int64_t>(total, std::int64_t{loc} + count));
  std::string out = "[" + std::to_string(cursor) + "] " + page.title;
  if (!page.url.empty()) out += " (" + shown_url(page.url) + ")";
  out += "\n**viewing lines [" + std::to_string(loc) + " - " + std::to_string(end - 1) + "] of " +
         std::to_string(total - 1) + "**\n";
  for (int i = loc; i < end; ++i) {
    out += "\nL" + std::to_string(i) + ": " + page.lines[static_cast<std::size_t>(i)];
  }
  return out;
}

std::string without_markers(std::string_view line) {
  static constexpr std::string_view kOpen = "【";
  static constexpr std::string_view kClose = "】";
  static constexpr std::string_view kDagger = "†";
  std::string out;
  // A marker cut by the wrap: its end stands at the start of the line ...
  if (const std::size_t close = line.find(kClose); close < line.find(kOpen)) {
    std::string_view head = line.substr(0, close);
    if (const std::size_t dagger = head.find(kDagger); dagger != std::string_view::npos) head = head.substr(0, dagger);
    out += head;
    line.remove_prefix(close + kClose.size());
  }
  while (true) {
    const std::size_t open = line.find(kOpen);
    out += line.substr(0, open);
    if (open == std::string_view::npos) return out;
    line.remove_prefix(open + kOpen.size());
    // ... or its beginning at the end.
    const std::size_t close = line.find(kClose);
    std::string_view marker = line.substr(0, close);
    if (const std::size_t id_end = marker.find(kDagger); id_end != std::string_view::npos) {
      marker.remove_prefix(id_end + kDagger.size());
    }
    out += marker.substr(0, marker.find(kDagger));
    if (close == std::string_view::npos) return out;
    line.remove_prefix(close + kClose.size());
  }
}

}  // namespace toccata::tools
