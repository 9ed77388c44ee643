// Tokens that are found in the text by their spelling, before it is split into pieces.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/token.h"

namespace toccata::tokenizer {

struct AddedToken {
  std::string spelling;
  Token token;
};

// Finds a fixed set of spellings in texts; immutable.
class AddedTokenMatcher {
 public:
  struct Match {
    std::size_t begin;
    std::size_t length;  // 0: nothing found, begin is the size of the text
    Token token;
  };

  AddedTokenMatcher() = default;
  // Spellings must not be empty; of equal ones the first counts.
  explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens);

  bool empty() const { return sorted_.empty(); }
  // The leftmost match at or after `from`, the longest of those that begin there.
  // O(text * longest spelling) at worst; only spellings that repeat their own beginning come near that.
  Match find(std::string_view text, std::size_t from) const;

 private:
  Match longest_at(std::string_view text, std::size_t begin) const;

  std::vector<AddedToken> sorted_;  // by spelling, no spelling twice
  std::array<bool, 256> begins_{};  // bytes that begin a spelling
};

}  // namespace toccata::tokenizer
