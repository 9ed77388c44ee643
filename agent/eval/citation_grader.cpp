#include <algorithm>
#include <charconv>

#include "agent/eval/graders.h"

namespace toccata::eval {
namespace {

constexpr std::string_view kOpen = "\xE3\x80\x90", kClose = "\xE3\x80\x91", kDagger = "\xE2\x80\xA0";

std::optional<std::size_t> take_number(std::string_view& text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view part) {
  if (!text.starts_with(part)) return false;
  text.remove_prefix(part.size());
  return true;
}

std::optional<Citation> read_one(std::string_view text) {
  Citation citation;
  const auto document = take_number(text);
  if (!document || !take(text, kDagger) || !take(text, "L")) return std::nullopt;
  const auto first = take_number(text);
  if (!first) return std::nullopt;
  citation = {*document, *first, *first};
  if (take(text, "-")) {
    take(text, "L");
    const auto last = take_number(text);
    if (!last) return std::nullopt;
    citation.last = *last;
  }
  return take(text, kClose) ? std::optional(citation) : std::nullopt;
}

bool covers(const Citation& citation, const Citation& wanted) {
  if (citation.document != wanted.document) return false;
  return wanted.first == 0 || (citation.first <= wanted.last && wanted.first <= citation.last);
}

std::string name_of(const Citation& c) {
  std::string name = "document " + std::to_string(c.document);
  if (c.first > 0) name += ", L" + std::to_string(c.first) + (c.last > c.first ? "-L" + std::to_string(c.last) : "");
  return name;
}

}  // namespace

std::vector<Citation> citations_of(const std::string& answer) {
  std::vector<Citation> all;
  for (std::size_t at = answer.find(kOpen); at != std::string::npos; at = answer.find(kOpen, at + 1)) {
    if (const auto one = read_one(std::string_view(answer).substr(at + kOpen.size()))) all.push_back(*one);
  }
  return all;
}

Value grade_citations(const std::string& answer, const std::vector<std::size_t>& n_lines, const std::vector<Citation>& expected) {
  const std::vector<Citation> made = citations_of(answer);
  std::size_t n_valid = 0, n_wanted = 0, n_cited = 0;
  std::string reason = made.empty() ? "found no citation" : "";
  Value extracted = Value::array();
  for (const Citation& c : made) {
    extracted.push_back(name_of(c));
    const bool valid = c.document < n_lines.size() && c.first >= 1 && c.first <= c.last && c.last <= n_lines[c.document];
    n_valid += valid ? 1 : 0;
    n_wanted += valid && std::any_of(expected.begin(), expected.end(), [&](const Citation& e) { return covers(c, e); }) ? 1 : 0;
    if (!valid && reason.empty()) reason = "cites " + name_of(c) + ", which is not there";
  }
  for (const Citation& e : expected) {
    const bool cited = std::any_of(made.begin(), made.end(), [&](const Citation& c) { return covers(c, e); });
    n_cited += cited ? 1 : 0;
    if (!cited && reason.empty()) reason = "does not cite " + name_of(e);
  }
  const auto share = [](std::size_t part, std::size_t all) { return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all); };
  const bool right = !made.empty() && n_valid == made.size() && n_cited == expected.size();
  return grade(right, reason,
               {{"extracted", extracted},
                {"metrics",
                 {{"valid_citations", share(n_valid, made.size())},
                  {"citation_precision", share(n_wanted, made.size())},
                  {"citation_recall", expected.empty() ? 1.0 : share(n_cited, expected.size())}}}});
}

}  // namespace toccata::eval
