#include "tools/index/passage.h"

#include <algorithm>

#include "tools/index/words.h"

namespace toccata::tools {
namespace {

constexpr std::uint32_t kWindowWords = 30;
constexpr std::size_t kSpellingsMax = 200'000;  // kept in mind; then from the beginning
constexpr std::size_t kBefore = 60, kBytes = 220;

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_inside(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

PassageFinder::PassageFinder(const std::vector<QueryWord>& words) : inside_(words.size(), 0) {
  for (const QueryWord& word : words) {
    stems_.emplace(word.word, static_cast<int>(weights_.size()));
    weights_.push_back(word.weight);
    sum_ += word.weight;
  }
}

int PassageFinder::query_word(std::string_view spelled) {
  const auto known = spelled_.find(spelled);
  if (known != spelled_.end()) return known->second;
  const auto found = stems_.find(stem(spelled));
  const int word = found == stems_.end() ? -1 : found->second;
  if (spelled_.size() >= kSpellingsMax) spelled_.clear();
  spelled_.emplace(std::string(spelled), word);
  return word;
}

// A window slides over the occurrences; what it is worth is kept up to date as words enter and leave.
Passage PassageFinder::find(std::string_view text) {
  occurrences_.clear();
  std::uint32_t number = 0;
  for_each_word(text, WordUse::kQuery, [&](std::string_view spelled, std::size_t begin, std::size_t end) {
    const int word = query_word(spelled);
    if (word >= 0) occurrences_.push_back({number, word, begin, end});
    ++number;
  });
  double best = 0;
  std::size_t best_first = 0, best_last = 0;
  std::fill(inside_.begin(), inside_.end(), 0);
  double held = 0;
  double followed = 0;
  const auto pair = [&](std::size_t i) {  // occurrence i follows the one before as in the query
    const Occurrence& a = occurrences_[i - 1];
    const Occurrence& b = occurrences_[i];
    const bool follows = b.word == a.word + 1 && b.number - a.number <= 2;
    return follows ? std::min(weights_[static_cast<std::size_t>(a.word)], weights_[static_cast<std::size_t>(b.word)]) : 0.0;
  };
  for (std::size_t first = 0, i = 0; i < occurrences_.size(); ++i) {
    const auto entering = static_cast<std::size_t>(occurrences_[i].word);
    if (inside_[entering]++ == 0) held += weights_[entering];
    if (i > first) followed += pair(i);
    for (; occurrences_[i].number - occurrences_[first].number >= kWindowWords; ++first) {
      const auto leaving = static_cast<std::size_t>(occurrences_[first].word);
      if (--inside_[leaving] == 0) held -= weights_[leaving];
      if (first + 1 <= i) followed -= pair(first + 1);
    }
    const double score = sum_ <= 0 ? 0 : (held + 0.5 * std::min(followed, sum_)) / sum_;
    if (score <= best + 1e-9) continue;
    best = score;
    best_first = first;
    best_last = i;
  }
  if (best == 0) return {};
  // What stands in it once more further on is not where it begins.
  std::fill(inside_.begin(), inside_.end(), 0);
  for (std::size_t i = best_first; i <= best_last; ++i) ++inside_[static_cast<std::size_t>(occurrences_[i].word)];
  while (--inside_[static_cast<std::size_t>(occurrences_[best_first].word)] > 0) ++best_first;
  return {best, occurrences_[best_first].begin, occurrences_[best_last].end};
}

std::string snippet(std::string_view text, const Passage& passage) {
  std::size_t begin = passage.begin > kBefore ? passage.begin - kBefore : 0;
  while (begin > 0 && begin < passage.begin && is_inside(text[begin])) ++begin;
  for (std::size_t i = begin; begin > 0 && i < passage.begin; ++i) {  // from the beginning of a word, where there is one
    if (!is_blank(text[i])) continue;
    begin = i + 1;
    break;
  }
  std::size_t end = std::min(text.size(), std::max(begin + kBytes, std::min(passage.end, begin + 2 * kBytes)));
  while (end > begin && end < text.size() && is_inside(text[end])) --end;
  for (std::size_t i = end; end < text.size() && i > begin && end - i < 30; --i) {
    if (!is_blank(text[i])) continue;
    end = i;
    break;
  }
  std::string out = begin > 0 ? "... " : "";
  for (const char c : text.substr(begin, end - begin)) {
    if (!is_blank(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (end < text.size()) out += out.ends_with(' ') ? "..." : " ...";
  return out;
}

}  // namespace toccata::tools
