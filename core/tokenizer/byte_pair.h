// Byte-pair merging of one piece of text.
//
// A piece starts as its single bytes; as long as two neighbours may merge, the pair of the best rank does, the
// leftmost one first among equals. Two ways to say what may merge:
//   by rank   any two neighbours whose bytes together are a token; its id is the rank (tiktoken)
//   by pair   the pairs of a list of merges; the place in the list is the rank (Hugging Face)
// The first needs no table besides the vocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/huge_pages.h"
#include "core/base/token.h"
#include "core/tokenizer/vocabulary.h"

namespace toccata::tokenizer {

struct MergePair {
  Token left;
  Token right;
  Token merged;
};

// A merge that two neighbours would make: smaller rank first.
struct Merge {
  static constexpr std::uint32_t kNever = 0xFFFFFFFF;
  std::uint32_t rank = kNever;
  Token merged = kNoToken;
};

// (left, right) -> merge. Open addressing, at most half full.
class PairMerges {
 public:
  // `pairs` in the order of the list; of equal (left, right) the first counts.
  explicit PairMerges(const std::vector<MergePair>& pairs);
  // Room for so many of them, none yet.
  explicit PairMerges(std::size_t n);
  void add(const MergePair& pair, std::uint32_t rank);
  Merge find(Token left, Token right) const;

 private:
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  // Most pairs that are asked for do not merge: a bit for each hash, in a table that fits the cache, says so at once.
  static constexpr int kFilterBits = 21;
  static std::uint64_t mixed(std::uint64_t key);
  HugeVector<Slot> slots_;
  std::vector<std::uint64_t> filter_;
};

// A vocabulary and what may merge in it; immutable.
class BytePairEncoder {
 public:
  // By rank: the indexed tokens of the vocabulary are what merging may produce.
  explicit BytePairEncoder(Vocabulary vocabulary);
  // By pair: the indexed tokens are the pieces that are one token without a look at the merges.
  BytePairEncoder(Vocabulary vocabulary, PairMerges merges);
  // Both require all 256 single bytes among the indexed tokens.

  const Vocabulary& vocabulary() const { return vocabulary_; }
  bool is_by_rank() const { return !merges_.has_value(); }

  // Appends the tokens of a non-empty piece. O(n log n) in its length, and quick when it is one token.
  void encode(std::string_view piece, Tokens& out) const;
  // The same without the look-up of the whole piece: what merging alone gives.
  void merge(std::string_view piece, Tokens& out) const;
  // What merging by rank makes of the token's bytes with the lower ranks only. Two tokens: those whose merge
  // gives this one. More, or the token itself: no text ever merges into it. Requires merging by rank.
  Tokens parts_of(Token token) const;

 private:
  Vocabulary vocabulary_;
  std::optional<PairMerges> merges_;
  std::array<Token, 256> byte_tokens_{};
};

}  // namespace toccata::tokenizer
