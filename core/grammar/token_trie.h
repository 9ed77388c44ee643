// A vocabulary arranged for masks: tries of the tokens' bytes, and what is known about JSON strings in advance.
//
// Almost every token of o200k (194,032 of 199,998) is whole characters without quote, backslash or control character: it
// may stand anywhere in an unrestricted string. These are one slice with one stored mask; only the others are walked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/token.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::grammar {

// One bit a token, 32 to a word, least significant first.
using TokenMask = std::vector<std::uint32_t>;

// Nodes in depth-first order; the children of a node stand between it and `i + skip`.
struct TrieNode {
  std::uint32_t skip_and_byte;
  std::int32_t value;  // token or group that ends here; -1: none
  std::uint8_t byte() const { return static_cast<std::uint8_t>(skip_and_byte); }
  std::uint32_t skip() const { return skip_and_byte >> 8; }
};
using Trie = std::vector<TrieNode>;

// Immutable and shared by any number of matchers and threads.
class TokenTrie {
 public:
  static std::shared_ptr<const TokenTrie> make(const tokenizer::Tokenizer& tokenizer);

  int n_vocab() const { return n_vocab_; }
  std::size_t n_words() const { return (static_cast<std::size_t>(n_vocab_) + 31) / 32; }

  const Trie& safe() const { return safe_; }    // tokens that may stand anywhere in a string
  const Trie& other() const { return other_; }  // all others with bytes; control tokens are in neither
  const TokenMask& safe_mask() const { return safe_mask_; }
  // The safe tokens of up to `n_characters` characters, or of any number from longest_safe() on.
  void add_safe(std::int64_t n_characters, TokenMask& mask) const;
  int longest_safe() const { return static_cast<int>(by_length_.size()) - 1; }

  // Between two characters of an unrestricted string: every token that stays inside it ...
  const TokenMask& inside_mask() const { return inside_mask_; }
  // ... and those that close it, by what follows the closing quote. A node's value is a group of tokens; the empty rest
  // is `closing_alone`.
  const Trie& rests() const { return rests_; }
  const std::vector<std::vector<Token>>& rest_groups() const { return rest_groups_; }
  const std::vector<Token>& closing_alone() const { return closing_alone_; }
  // The tokens of both, by all their bytes.
  const Trie& closers() const { return closers_; }

  // Tokens with the bytes of another, lower one: (lower, higher). Masks hold the lower until spread_twins().
  void spread_twins(TokenMask& mask) const;
  // The token's bytes; empty for control tokens and gaps.
  const std::string& bytes(Token token) const { return bytes_[token]; }
  std::size_t memory_bytes() const;

 private:
  void classify();
  void sort_closers();

  int n_vocab_ = 0;
  std::vector<std::string> bytes_;
  std::vector<std::pair<Token, Token>> twins_;
  Trie safe_, other_, rests_, closers_;
  TokenMask safe_mask_, inside_mask_;
  std::vector<std::vector<Token>> by_length_;  // [characters] safe tokens
  std::vector<TokenMask> up_to_length_;        // [characters]; for the first few
  std::vector<std::vector<Token>> rest_groups_;
  std::vector<Token> closing_alone_;
};

inline void set_token(TokenMask& mask, Token token) { mask[token >> 5] |= 1U << (token & 31); }
inline void clear_token(TokenMask& mask, Token token) { mask[token >> 5] &= ~(1U << (token & 31)); }
inline bool has_token(const TokenMask& mask, Token token) { return (mask[token >> 5] >> (token & 31) & 1) != 0; }

}  // namespace toccata::grammar
