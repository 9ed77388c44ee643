// Whether lines of a page have words of a sentence: no understanding, only a hint that a citation is out of place.
#include <utf8proc.h>

#include <algorithm>
#include <set>

#include "agent/loop/citation_stream.h"

namespace toccata::agent {
namespace {

constexpr std::size_t kWordCharsMin = 3;
constexpr std::size_t kStemChars = 6;      // "population" and "populations" are one word
constexpr std::size_t kClaimWordsFew = 4;  // so short a claim needs one word in common, a longer one two
constexpr std::size_t kCitedBytesMax = std::size_t{1} << 20;

const std::set<std::string, std::less<>>& function_words() {
  static const std::set<std::string, std::less<>> words = {
      "about", "also",  "and",   "are",  "but",  "can",  "did",   "does", "for",   "from", "had",   "has",  "have", "her",  "his",
      "how",   "into",  "its",   "more", "most", "not",  "one",   "only", "other", "our",  "over",  "she",  "some", "such", "than",
      "that",  "the",   "their", "them", "then", "they", "these", "this", "was",   "were", "which", "will", "with", "you",  "your"};
  return words;
}

// Scripts that put no blanks between words: every two neighbours count as a word.
bool is_unspaced(utf8proc_int32_t c) {
  return (c >= 0x2E80 && c < 0xA4D0) || (c >= 0xAC00 && c < 0xD7B0) || (c >= 0xF900 && c < 0xFB00) || (c >= 0x0E00 && c < 0x0F00) || c >= 0x20000;
}

bool is_word_char(utf8proc_int32_t c) {
  const auto category = utf8proc_category(c);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME) || category == UTF8PROC_CATEGORY_ND;
}

void append(std::string& to, utf8proc_int32_t c) {
  utf8proc_uint8_t bytes[4];
  to.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(utf8proc_encode_char(c, bytes)));
}

std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  std::size_t n_chars = 0;
  bool has_digit = false;
  utf8proc_int32_t neighbour = 0;  // of an unspaced script
  const auto end_word = [&] {
    if ((n_chars >= kWordCharsMin || has_digit) && !function_words().contains(word)) words.insert(word);
    word.clear();
    n_chars = 0;
    has_digit = false;
  };
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (auto left = static_cast<utf8proc_ssize_t>(text.size()); left > 0;) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t n = std::max<utf8proc_ssize_t>(1, utf8proc_iterate(at, left, &c));
    at += n;
    left -= n;
    const bool unspaced = c > 0 && is_word_char(c) && is_unspaced(c);
    if (unspaced) {
      end_word();
      std::string pair;
      if (neighbour != 0) append(pair, neighbour);
      append(pair, c);
      if (neighbour != 0) words.insert(pair);
    } else if (c > 0 && is_word_char(c)) {
      has_digit = has_digit || (c >= '0' && c <= '9');
      if (n_chars < kStemChars || has_digit) append(word, utf8proc_tolower(c));
      ++n_chars;
    } else {
      end_word();
    }
    neighbour = unspaced ? c : 0;
  }
  end_word();
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
