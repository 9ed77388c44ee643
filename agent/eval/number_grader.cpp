#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/eval/graders.h"
#include "agent/task/number_text.h"

namespace toccata::eval {
namespace {

void erase_all(std::string& text, std::string_view part) {
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) text.erase(at, part.size());
}

// Without what TeX and money put around numbers.
std::string plain(std::string text) {
  for (const std::string_view part : {"\\left", "\\right", "\\,", "\\!", "\\;", "\\:", "\\ ", "\\$", "\\(", "\\)", "$", "{,}", " ", "\t", "\n", "\r"}) {
    erase_all(text, part);
  }
  for (std::size_t at = text.find("\xE2\x88\x92"); at != std::string::npos; at = text.find("\xE2\x88\x92")) {
    text.replace(at, 3, "-");  // MINUS SIGN
  }
  if (text.ends_with('.')) text.pop_back();
  if (text.starts_with('+')) text.erase(0, 1);
  return text;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// 1,234,567 -> 1234567; other commas stay and are no number.
std::string without_groups(const std::string& text) {
  const std::size_t begin = text.starts_with('-') ? 1 : 0;
  const std::size_t end = std::min(text.find('.'), text.size());
  std::string out = text.substr(0, begin);
  std::size_t at = begin, n = 0;
  while (at < end) {
    const std::size_t comma = std::min(text.find(',', at), end);
    const std::string group = text.substr(at, comma - at);
    if (!all_digits(group) || (n > 0 ? group.size() != 3 : comma < end && group.size() > 3)) return text;
    out += group;
    ++n;
    if (comma == end) break;
    at = comma + 1;
  }
  return out + text.substr(end);
}

std::optional<double> decimal(const std::string& raw) {
  const std::string text = without_groups(raw);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// A brace group or one character at `at`, which is moved behind it.
std::optional<std::string> group_at(const std::string& text, std::size_t& at) {
  if (at >= text.size()) return std::nullopt;
  if (text[at] != '{') return std::string(1, text[at++]);
  int depth = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (depth > 0) continue;
    std::string inside = text.substr(at + 1, i - at - 1);
    at = i + 1;
    return inside;
  }
  return std::nullopt;
}

std::optional<double> quotient(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b || *b == 0) return std::nullopt;
  return *a / *b;
}

std::optional<double> tex_fraction(std::string text) {
  const double sign = text.starts_with('-') ? -1 : 1;
  if (sign < 0) text.erase(0, 1);
  for (const std::string_view name : {"\\frac", "\\dfrac", "\\tfrac"}) {
    if (!text.starts_with(name)) continue;
    std::size_t at = name.size();
    const auto above = group_at(text, at);
    const auto below = above ? group_at(text, at) : std::nullopt;
    if (!below || at != text.size()) return std::nullopt;
    const auto value = quotient(decimal(*above), decimal(*below));
    return value ? std::optional(sign * *value) : std::nullopt;
  }
  return std::nullopt;
}

// "-00120" -> "-120"; nothing when it is no whole number written in digits.
std::optional<std::string> whole(const std::string& text) {
  std::string digits = without_groups(plain(text));
  const bool negative = digits.starts_with('-');
  if (negative) digits.erase(0, 1);
  if (!all_digits(digits)) return std::nullopt;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return (negative && digits != "0" ? "-" : "") + digits;
}

// The last number written in digits, as it is written.
std::optional<std::string> last_written(const std::string& text) {
  const auto is_part = [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == ',' || c == '/'; };
  std::size_t end = text.size();
  while (end > 0 && !(text[end - 1] >= '0' && text[end - 1] <= '9')) --end;
  if (end == 0) return std::nullopt;
  std::size_t begin = end;
  while (begin > 0 && is_part(text[begin - 1])) --begin;
  while (!(text[begin] >= '0' && text[begin] <= '9')) ++begin;
  if (begin > 0 && text[begin - 1] == '-' && (begin == 1 || !std::isalnum(static_cast<unsigned char>(text[begin - 2])))) --begin;
  return text.substr(begin, end - begin);
}

}  // namespace

Value grade(bool correct, std::string reason, Value more) {
  Value all = {{"verdict", correct ? "correct" : "incorrect"}};
  if (!reason.empty()) all["reason"] = std::move(reason);
  all.update(more);
  return all;
}

std::optional<std::string> last_boxed(const std::string& text) {
  for (std::size_t at = text.rfind("\\boxed"); at != std::string::npos; at = at == 0 ? std::string::npos : text.rfind("\\boxed", at - 1)) {
    std::size_t open = at + 6;
    while (open < text.size() && text[open] == ' ') ++open;
    if (open < text.size() && text[open] == '{') return group_at(text, open);
  }
  return std::nullopt;
}

std::optional<double> number_of(const std::string& text) {
  const std::string bare = plain(text);
  if (const auto value = decimal(bare)) return value;
  if (const auto value = tex_fraction(bare)) return value;
  const std::size_t slash = bare.find('/');
  if (slash == std::string::npos) return std::nullopt;
  return quotient(decimal(bare.substr(0, slash)), decimal(bare.substr(slash + 1)));
}

Value grade_number(const std::string& answer, const std::string& expected, double abs, double rel) {
  constexpr std::size_t kShown = 100;
  std::string found;
  std::optional<double> value;
  if (const auto boxed = last_boxed(answer)) {
    found = *boxed;
    value = number_of(found);
    if (!value) value = task::last_number(Value(found));
    if (const auto equals = found.rfind('='); equals != std::string::npos) found.erase(0, equals + 1);
  } else if (const auto written = last_written(answer)) {
    found = *written;
    value = number_of(found);
    if (!value) value = task::last_number(Value(answer));
  }
  const Value more = {{"extracted", found.substr(0, kShown)}, {"expected", expected}};
  if (!value) return grade(false, found.empty() ? "found no number" : "found '" + found.substr(0, kShown) + "', which is no number", more);
  const auto a = whole(found), b = whole(expected);
  bool right = false;
  if (a && b && abs == 0 && rel == 0) {
    right = *a == *b;
  } else if (const auto wanted = number_of(expected)) {
    constexpr double kWritten = 1e-9;  // numbers are written with some digits only
    right = std::abs(*value - *wanted) <= std::max({abs, rel * std::abs(*wanted), kWritten * std::abs(*wanted)});
  }
  return grade(right, right ? "" : "found " + found.substr(0, kShown) + ", expected " + expected, more);
}

}  // namespace toccata::eval
