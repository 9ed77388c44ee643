#include "core/tokenizer/added_tokens.h"

#include <algorithm>

#include "core/base/error.h"

namespace toccata::tokenizer {

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens) : sorted_(tokens) {
  std::stable_sort(sorted_.begin(), sorted_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.spelling < b.spelling;
  });
  const auto same = [](const AddedToken& a, const AddedToken& b) {
    return a.spelling == b.spelling;
  };
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end(), same), sorted_.end());
  for (const AddedToken& token : sorted_) {
    TOCCATA_CHECK(!token.spelling.empty());
    begins_[static_cast<std::uint8_t>(token.spelling[0])] = true;
  }
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!begins_[static_cast<std::uint8_t>(text[at])]) continue;
    const Match match = longest_at(text, at);
    if (match.length > 0) return match;
  }
  return {text.size(), 0, -1};
}

// Narrows [first, last), the spellings that agree with the text so far, byte by byte. A spelling that ends
// here sorts before the longer ones.
AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text, std::size_t begin)
    const {
  Match match{begin, 0, -1};
  auto first = sorted_.begin();
  auto last = sorted_.end();
  for (std::size_t depth = 0; first != last; ++depth) {
    if (first->spelling.size() == depth) {
      match = {begin, depth, first->token};
      ++first;
    }
    if (begin + depth == text.size()) break;
    const auto byte = static_cast<std::uint8_t>(text[begin + depth]);
    const auto byte_of = [&](const AddedToken& token) {
      return static_cast<std::uint8_t>(token.spelling[depth]);
    };
    first = std::partition_point(first, last, [&](const auto& t) { return byte_of(t) < byte; });
    last = std::partition_point(first, last, [&](const auto& t) { return byte_of(t) == byte; });
  }
  return match;
}

}  // namespace toccata::tokenizer
