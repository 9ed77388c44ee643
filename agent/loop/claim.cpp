// Whether lines of a page have words of a sentence: no understanding, only a hint that a citation is out of place.
#include <algorithm>
#include <set>

#include "agent/loop/citation_stream.h"
#include "tools/index/words.h"

namespace toccata::agent {
namespace {

constexpr std::int64_t kWordCharsMin = 3;
constexpr std::size_t kStemChars = 6;      // other languages have other endings
constexpr std::size_t kClaimWordsFew = 4;  // so short a claim needs one word in common, a longer one two
constexpr std::size_t kCitedBytesMax = std::size_t{1} << 20;

const std::set<std::string, std::less<>>& function_words() {
  static const std::set<std::string, std::less<>> words = {
      "about", "also",  "and",   "are",  "but",  "can",  "did",   "does", "for",   "from", "had",   "has",  "have", "her",  "his",
      "how",   "into",  "its",   "more", "most", "not",  "one",   "only", "other", "our",  "over",  "she",  "some", "such", "than",
      "that",  "the",   "their", "them", "then", "they", "these", "this", "was",   "were", "which", "will", "with", "you",  "your"};
  return words;
}

std::string first_chars(std::string text, std::size_t n) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && n-- == 0) break;
  }
  text.resize(at);
  return text;
}

// In scripts that put no blanks between words a pair of neighbours counts; elsewhere words that mean something.
std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  tools::for_each_word(text, tools::WordUse::kQuery, [&](std::string_view word, std::size_t, std::size_t) {
    const bool has_digit = std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    const bool unspaced = static_cast<unsigned char>(word.front()) >= 0xE0;
    if (!has_digit && !unspaced && count_code_points(word) < kWordCharsMin) return;
    if (!function_words().contains(word)) words.insert(has_digit ? std::string(word) : first_chars(tools::stem(word), kStemChars));
  });
  return words;
}

bool ends_sentence(std::string_view text, std::size_t at, std::size_t& n) {
  for (const std::string_view mark : {"。", "！", "？"}) {
    if (text.substr(at).starts_with(mark)) {
      n = mark.size();
      return true;
    }
  }
  n = 1;
  if (text[at] == '\n' || text[at] == '|') return true;
  const bool mark = text[at] == '.' || text[at] == '!' || text[at] == '?';
  return mark && (at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\n');
}

}  // namespace

std::string_view last_sentence(std::string_view text) {
  // What closes it is no end before it.
  for (bool cut = true; cut;) {
    cut = false;
    for (const std::string_view end : {" ", "\n", ".", "!", "?", ",", ";", ":", "*", "|", "(", ")", "\"", "”", "。", "！", "？", "，"}) {
      if (!text.ends_with(end)) continue;
      text.remove_suffix(end.size());
      cut = true;
    }
  }
  std::size_t begin = 0, n = 1;
  for (std::size_t at = 0; at < text.size(); at += n) {
    if (ends_sentence(text, at, n)) begin = at + n;
  }
  return text.substr(begin);
}

bool shares_words(std::string_view claim, std::string_view cited) {
  const std::set<std::string> wanted = words_of(claim);
  if (wanted.empty()) return true;
  const std::set<std::string> there = words_of(cited.substr(0, kCitedBytesMax));
  const auto n = static_cast<std::size_t>(
      std::count_if(wanted.begin(), wanted.end(), [&](const std::string& word) { return there.contains(word); })
  );
  return n >= (wanted.size() <= kClaimWordsFew ? 1 : 2);
}

}  // namespace toccata::agent
