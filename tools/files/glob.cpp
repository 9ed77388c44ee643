#include "tools/files/glob.h"

#include <algorithm>
#include <optional>

namespace toccata::tools {
namespace {

constexpr std::size_t kChoicesMax = 64;
constexpr std::size_t kBytesMax = 1000;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    const std::string_view name = text.substr(at, end - at);
    if (!name.empty() && name != ".") names.emplace_back(name);
    at = end + 1;
  }
  return names;
}

// Where the set that opens at `at` closes; npos when it does not, and then '[' stands for itself. ']' may come first.
std::size_t end_of_set(std::string_view pattern, std::size_t at) {
  std::size_t from = at + 1;
  if (from < pattern.size() && (pattern[from] == '!' || pattern[from] == '^')) ++from;
  return pattern.find(']', from + 1);
}

bool set_has(std::string_view set, char c) {  // what is between the brackets
  const bool negated = set[0] == '!' || set[0] == '^';
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found = found || (set[i] <= c && c <= set[i + 2]);
      i += 2;
    } else {
      found = found || set[i] == c;
    }
  }
  return found != negated;
}

// How many bytes of the pattern one character takes; nothing when it does not match. Not for '*'.
std::optional<std::size_t> step(std::string_view pattern, std::size_t at, char c) {
  if (pattern[at] == '?') return 1;
  if (pattern[at] == '[') {
    const std::size_t end = end_of_set(pattern, at);
    if (end != std::string_view::npos) {
      if (!set_has(pattern.substr(at + 1, end - at - 1), c)) return std::nullopt;
      return end - at + 1;
    }
  }
  if (pattern[at] != c) return std::nullopt;
  return 1;
}

// Only the last '*' is ever tried again, so this takes at most the product of the lengths.
bool name_matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, retry = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
      continue;
    }
    const auto taken = p < pattern.size() ? step(pattern, p, name[n]) : std::nullopt;
    if (taken) {
      p += *taken;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool names_match(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  // reached[j]: the pattern's names so far can stand for the first j names of the path.
  std::vector<char> reached(path.size() + 1, 0);
  reached[0] = 1;
  for (const std::string& part : pattern) {
    std::vector<char> next(path.size() + 1, 0);
    for (std::size_t j = 0; j <= path.size(); ++j) {
      if (part == "**") {
        next[j] = reached[j] || (j > 0 && next[j - 1]);
      } else if (j > 0 && reached[j - 1]) {
        next[j] = name_matches(part, path[j - 1]);
      }
    }
    reached = std::move(next);
  }
  return reached.back();
}

// "a{b,c}d" -> "abd", "acd"; braces may nest.
bool expand(const std::string& pattern, std::vector<std::string>& to) {
  const std::size_t open = pattern.find('{');
  if (open == std::string::npos) {
    to.push_back(pattern);
    return to.size() <= kChoicesMax;
  }
  std::vector<std::size_t> bounds = {open};
  int depth = 0;
  for (std::size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == '{') ++depth;
    if (pattern[i] == ',' && depth == 1) bounds.push_back(i);
    if (pattern[i] == '}' && --depth == 0) {
      bounds.push_back(i);
      break;
    }
  }
  if (depth != 0) return false;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    const std::string choice = pattern.substr(bounds[i] + 1, bounds[i + 1] - bounds[i] - 1);
    if (!expand(pattern.substr(0, open) + choice + pattern.substr(bounds.back() + 1), to)) return false;
  }
  return true;
}

}  // namespace

Result<Glob> Glob::parse(std::string_view pattern) {
  const auto wrong = [&](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, "pattern \"" + std::string(pattern.substr(0, 200)) + "\": " + why};
  };
  if (pattern.size() > kBytesMax) return wrong("longer than 1000 bytes");
  std::vector<std::string> texts;
  if (!expand(std::string(pattern), texts)) return wrong("an unclosed { or more than 64 choices");
  Glob glob;
  for (const std::string& text : texts) {
    Names names = split(text);
    if (names.empty()) return wrong("expected something like *.cpp or src/**/*.h");
    if (text.find('/') == std::string::npos) names.insert(names.begin(), "**");
    glob.choices_.push_back(std::move(names));
  }
  return glob;
}

bool Glob::matches(std::string_view path) const {
  const Names names = split(path);
  return std::any_of(choices_.begin(), choices_.end(), [&](const Names& choice) {
    return names_match(choice, names);
  });
}

}  // namespace toccata::tools
