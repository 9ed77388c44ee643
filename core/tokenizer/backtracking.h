// Byte-pair merging by rank, without merging: tokens are taken from left to right, longest first.
//
// What merging leaves is the one sequence of tokens in which merging would have kept every two neighbours apart. So the
// longest token at each place is tried, then the next shorter one, until it may stand after the one before; where none
// may, the one before is given back and is made shorter. A place that was left that way is never entered again: time is
// linear in the length for a fixed vocabulary. The idea is that of github/rust-gems, crate `bpe` (its README has the proof).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/huge_pages.h"
#include "core/base/token.h"
#include "core/tokenizer/byte_pair.h"
#include "core/tokenizer/vocabulary.h"

namespace toccata::tokenizer {

// A trie of the bytes of tokens: a node is a slot of one hash table, found by its parent and the byte between them.
class TokenTree {
 public:
  // Room for tokens of this many bytes in all, if they share half of them as those of a large vocabulary do: o200k's 1.4
  // million bytes are 0.42 million nodes.
  explicit TokenTree(std::size_t bytes);
  // False when there is no room.
  bool add(std::string_view bytes, Token token);

  struct Match {
    Token token = kNoToken;
    std::size_t length = 0;
  };
  // The tokens at the front of a text, the longest last.
  using Matches = std::vector<Match>;
  void find(std::string_view text, Matches& matches) const;

 private:
  struct Node {
    std::uint32_t key = kEmpty;  // parent << 8 | byte
    Token token = kNoToken;
  };
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;
  std::size_t slot_of(std::uint32_t key) const;

  static constexpr std::size_t kNodesMax = std::size_t{1} << 23;
  HugeVector<Node> nodes_;
  std::size_t used_ = 0;
  int shift_;
  std::vector<std::uint32_t> roots_;  // [65536] by two bytes: the node, or kEmpty
  std::array<Token, 256> bytes_{};
};

// Immutable. What was found out about neighbours is remembered in what a caller brings along.
class BacktrackingEncoder {
 public:
  // What one thread keeps between calls.
  struct Memory {
    std::vector<std::uint64_t> neighbours = std::vector<std::uint64_t>(std::size_t{1} << kNeighbourBits);
    std::vector<std::uint64_t> left;  // a bit for each place of the piece
    TokenTree::Matches matches;
  };

  // By rank: the indexed tokens of the vocabulary, whose ids are their ranks. Takes some 200 ms for o200k.
  explicit BacktrackingEncoder(const Vocabulary& vocabulary);
  // False for a vocabulary that it is not for: one that the tree has no room for, or with a token that its bytes do not
  // merge into by lower ranks alone, as they do in every vocabulary that training has made.
  bool is_complete() const { return complete_; }

  // Appends the tokens of a non-empty piece: the same as BytePairEncoder::merge. Requires is_complete().
  void encode(std::string_view piece, Memory& memory, Tokens& out) const;

 private:
  static constexpr int kNeighbourBits = 14;
  // False when merging, of ranks below `end` only, would merge across the border between the two.
  bool may_be_neighbours(Token left, Token right, Token end) const;
  bool may_follow(Token left, Token right, Memory& memory) const;

  // What merges into a token, itself twice for a single byte, and how many bytes it has.
  struct Parts {
    Token left = kNoToken, right = kNoToken;
    std::uint32_t length = 0;
  };
  TokenTree tree_;
  HugeVector<Parts> parts_;  // [id]
  PairMerges merges_;
  bool complete_ = true;
};

}  // namespace toccata::tokenizer
