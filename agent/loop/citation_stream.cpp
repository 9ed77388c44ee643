#include <algorithm>
#include <charconv>

#include "agent/loop/citation_stream.h"

namespace toccata::agent {
namespace {

constexpr std::string_view kOpen = "【", kClose = "】", kDagger = "†";
constexpr std::size_t kBeforeBytes = 1024;
constexpr std::size_t kDigitsMax = 9;
constexpr std::size_t kSpansMax = 8;
constexpr std::int64_t kQuotedLinesMax = 12;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool eat(std::string_view& text, std::string_view token) {
  if (!text.starts_with(token)) return false;
  text.remove_prefix(token.size());
  return true;
}

void skip_blanks(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

std::optional<std::int64_t> take_number(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && n < kDigitsMax && is_digit(text[n])) ++n;
  if (n == 0) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + n, value);
  text.remove_prefix(n);
  return value;
}

enum class Match { kNo, kMaybe, kYes };

// Whether `text`, which begins with a bracket or a part of one and is no longer than a marker may be, begins with a marker;
// `n_bytes` is then its length.
Match match_marker(std::string_view text, std::size_t& n_bytes) {
  std::string_view rest = text;
  const bool square = eat(rest, "[");
  if (!square && !eat(rest, kOpen)) return kOpen.starts_with(text) ? Match::kMaybe : Match::kNo;
  const std::string_view close = square ? "]" : kClose;
  skip_blanks(rest);
  if (rest.empty()) return Match::kMaybe;
  if (!take_number(rest)) return Match::kNo;
  skip_blanks(rest);
  if (rest.empty()) return Match::kMaybe;
  // A number in square brackets is a footnote like any other; the dagger makes it ours.
  if (!square && eat(rest, close)) {
    n_bytes = text.size() - rest.size();
    return Match::kYes;
  }
  if (!eat(rest, kDagger)) return kDagger.starts_with(rest) || (!square && close.starts_with(rest)) ? Match::kMaybe : Match::kNo;
  const std::size_t end = rest.find(close);
  const std::size_t stray = std::min(rest.find('\n'), rest.find(square ? std::string_view("[") : kOpen));
  if (end != std::string_view::npos && end < stray) {
    n_bytes = text.size() - rest.size() + end + close.size();
    return Match::kYes;
  }
  return stray != std::string_view::npos ? Match::kNo : Match::kMaybe;
}

bool take_line_word(std::string_view& text) {
  for (const std::string_view word : {"lines", "Lines", "line", "Line", "L", "l"}) {
    if (eat(text, word)) {
      skip_blanks(text);
      return true;
    }
  }
  return false;
}

bool take_dash(std::string_view& text) {
  skip_blanks(text);
  for (const std::string_view dash : {"-", "–", "—", "‑", "−"}) {
    if (eat(text, dash)) return true;
  }
  return false;
}

// "L4-L6, L9": empty where the part says something else.
std::vector<LineSpan> spans_of(std::string_view part) {
  std::vector<LineSpan> spans;
  skip_blanks(part);
  if (!take_line_word(part)) return spans;
  while (spans.size() < kSpansMax) {
    const auto first = take_number(part);
    if (!first) break;
    LineSpan span{*first, *first};
    std::string_view after = part;
    if (take_dash(after)) {
      skip_blanks(after);
      take_line_word(after);
      if (const auto last = take_number(after)) {
        span.last = *last;
        part = after;
      }
    }
    if (span.last < span.first) std::swap(span.first, span.last);
    spans.push_back(span);
    skip_blanks(part);
    if (!eat(part, ",") && !eat(part, ";")) break;
    skip_blanks(part);
    take_line_word(part);
  }
  return spans;
}

// Cuts at a character.
std::string shortened(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t n = bytes_max - 3;
  while (n > 0 && is_continuation(text[n])) --n;
  return text.substr(0, n) + "...";
}

}  // namespace

const char* to_string(CitationCheck check) {
  switch (check) {
    case CitationCheck::kOk:
      return "ok";
    case CitationCheck::kNoSuchLine:
      return "no such line";
    case CitationCheck::kDoesNotSupport:
      return "does not support";
  }
  return "ok";
}

std::int64_t count_code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); });
}

std::vector<CitationStream::Piece> CitationStream::push(std::string_view delta) {
  std::vector<Piece> out;
  held_ += delta;
  take(/*at_end=*/false, out);
  return out;
}

std::vector<CitationStream::Piece> CitationStream::finish() {
  std::vector<Piece> out;
  take(/*at_end=*/true, out);
  return out;
}

void CitationStream::take(bool at_end, std::vector<Piece>& out) {
  std::string_view rest = held_;
  std::size_t n_plain = 0;  // bytes of `rest` that are text
  while (n_plain < rest.size()) {
    // 0xE3: the first byte of 【, also where a piece ends inside it.
    const std::size_t at = rest.find_first_of("[\xE3", n_plain);
    if (at == std::string_view::npos) {
      n_plain = rest.size();
      break;
    }
    n_plain = at;
    std::size_t n_marker = 0;
    const std::string_view marker = rest.substr(at, kMarkerBytesMax);
    const Match match = match_marker(marker, n_marker);
    if (match == Match::kMaybe && !at_end && marker.size() < kMarkerBytesMax) break;
    if (match != Match::kYes) {
      ++n_plain;  // no first byte of a bracket is inside a character
      continue;
    }
    say(rest.substr(0, at), out);  // the claim stands in it
    rest.remove_prefix(at);
    n_plain = 1;
    auto citation = resolve(rest.substr(0, n_marker));
    if (!citation) continue;
    citation->start = n_chars_;
    citation->end = n_chars_ += count_code_points(rest.substr(0, n_marker));
    out.push_back({std::string(rest.substr(0, n_marker)), std::move(citation)});
    rest.remove_prefix(n_marker);
    n_plain = 0;
  }
  say(rest.substr(0, n_plain), out);
  held_ = std::string(rest.substr(n_plain));
}

void CitationStream::say(std::string_view text, std::vector<Piece>& out) {
  if (text.empty()) return;
  n_chars_ += count_code_points(text);
  before_ += text;
  if (before_.size() > 2 * kBeforeBytes) before_.erase(0, before_.size() - kBeforeBytes);
  out.push_back({std::string(text), std::nullopt});
}

std::optional<Citation> CitationStream::resolve(std::string_view marker) const {
  std::string_view rest = marker;
  const std::string_view close = eat(rest, "[") ? "]" : kClose;
  eat(rest, kOpen);
  skip_blanks(rest);
  Citation citation;
  citation.cursor = take_number(rest).value_or(-1);
  const auto page = pages_.citable(citation.cursor);
  if (!page || page->url.empty()) return std::nullopt;
  citation.url = page->url;
  citation.title = page->title;
  rest.remove_suffix(close.size());
  for (std::size_t dagger = rest.find(kDagger); dagger != std::string_view::npos && citation.lines.empty(); dagger = rest.find(kDagger)) {
    rest.remove_prefix(dagger + kDagger.size());
    citation.lines = spans_of(rest.substr(0, rest.find(kDagger)));
  }
  const auto n_lines = static_cast<std::int64_t>(page->lines.size());
  std::string cited;
  std::int64_t n_quoted = 0;
  for (const LineSpan& span : citation.lines) {
    if (span.last >= n_lines) citation.check = CitationCheck::kNoSuchLine;
    for (std::int64_t line = span.first; line <= std::min(span.last, n_lines - 1); ++line) {
      const std::string& text = page->lines[static_cast<std::size_t>(line)];
      cited += text + "\n";
      if (n_quoted++ < kQuotedLinesMax) citation.quote += (n_quoted > 1 ? "\n" : "") + text;
    }
  }
  if (citation.lines.empty()) {
    for (const std::string& line : page->lines) cited += line + "\n";
  }
  if (!citation.lines.empty() && citation.check == CitationCheck::kOk && cited.find_first_not_of(" \n") == std::string::npos) {
    citation.check = CitationCheck::kNoSuchLine;
  }
  citation.quote = shortened(std::move(citation.quote), Citation::kQuoteBytesMax);
  if (citation.check == CitationCheck::kOk && !shares_words(last_sentence(before_), cited)) {
    citation.check = CitationCheck::kDoesNotSupport;
  }
  return citation;
}

}  // namespace toccata::agent
