#include "tools/web/robots.h"

#include <algorithm>
#include <charconv>

namespace toccata::tools {
namespace {

constexpr std::size_t kBytesMax = std::size_t{500} << 10;
constexpr std::size_t kRulesMax = 10'000;
constexpr std::size_t kPatternBytesMax = 2'000;
constexpr std::size_t kSitemapsMax = 100;
constexpr double kDelayMax = 60;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\f\v";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

bool is_unreserved(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';
}

// One spelling for one path: escapes of plain characters are undone, other escapes are in capitals, bytes beyond ASCII are escaped.
std::string normal(std::string_view text) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    const bool escaped = byte == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
    if (escaped) {
      byte = static_cast<unsigned char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
    if (escaped ? is_unreserved(byte) : byte < 0x80) {
      out += static_cast<char>(byte);
    } else {
      ((out += '%') += kDigits[byte >> 4]) += kDigits[byte & 15];
    }
  }
  return out;
}

// '*' is any text, '$' at the end the end of the target; otherwise the target may go on. Each star takes the first place that fits, which
// is enough as long as what follows it is looked for from there on.
bool matches(std::string_view pattern, std::string_view target) {
  const bool anchored = pattern.ends_with('$');
  if (anchored) pattern.remove_suffix(1);
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return anchored ? target == pattern : target.starts_with(pattern);
  if (!target.starts_with(pattern.substr(0, star))) return false;
  target.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (;;) {
    const std::size_t next = pattern.find('*');
    const std::string_view piece = pattern.substr(0, next);
    if (next == std::string_view::npos && anchored) return target.ends_with(piece);
    const std::size_t at = target.find(piece);
    if (at == std::string_view::npos) return false;
    if (next == std::string_view::npos) return true;
    target.remove_prefix(at + piece.size());
    pattern.remove_prefix(next + 1);
  }
}

// "toccata" of "Toccata/1.0 (+https://...)".
std::string product(std::string_view value) {
  const auto is_of_name = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; };
  return lower(value.substr(0, static_cast<std::size_t>(std::find_if_not(value.begin(), value.end(), is_of_name) - value.begin())));
}

}  // namespace

RobotsRules RobotsRules::allow_none() {
  RobotsRules rules;
  rules.rules_.push_back({false, "/"});
  return rules;
}

RobotsRules RobotsRules::parse(std::string_view text, std::string_view agent) {
  text = text.substr(0, kBytesMax);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  RobotsRules own, others;
  std::vector<std::string> sitemaps;
  bool for_own = false, for_all = false, found_own = false, in_names = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string key = lower(trimmed(line.substr(0, colon)));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (key == "user-agent") {
      if (!in_names) for_own = for_all = false;  // a new group
      in_names = true;
      for_all |= value == "*";
      for_own |= product(value) == agent;
      found_own |= for_own;
      continue;
    }
    if (key == "sitemap") {
      if (sitemaps.size() < kSitemapsMax && value.size() <= kPatternBytesMax) sitemaps.emplace_back(value);
      continue;
    }
    in_names = false;
    for (RobotsRules* group : {for_own ? &own : nullptr, for_all ? &others : nullptr}) {
      if (group == nullptr) continue;
      if (key == "crawl-delay") {
        double seconds = 0;
        const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
        if (error == std::errc() && seconds >= 0) group->delay_ = std::chrono::milliseconds(static_cast<int>(std::min(seconds, kDelayMax) * 1000));
      }
      const bool is_rule = (key == "allow" || key == "disallow") && !value.empty() && value.size() <= kPatternBytesMax;
      if (is_rule && group->rules_.size() < kRulesMax) group->rules_.push_back({key == "allow", normal(value)});
    }
  }
  RobotsRules& chosen = found_own ? own : others;
  chosen.sitemaps_ = std::move(sitemaps);
  return chosen;
}

bool RobotsRules::allows(std::string_view target) const {
  if (target == "/robots.txt") return true;
  const std::string path = normal(target.substr(0, kPatternBytesMax));
  const Rule* best = nullptr;
  for (const Rule& rule : rules_) {
    if (best != nullptr && (rule.pattern.size() < best->pattern.size() || (rule.pattern.size() == best->pattern.size() && !rule.allow))) continue;
    if (matches(rule.pattern, path)) best = &rule;
  }
  return best == nullptr || best->allow;
}

}  // namespace toccata::tools
