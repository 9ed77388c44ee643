// The tokens of a vocabulary: id -> bytes for all of them, bytes -> id for those that merging may produce.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/huge_pages.h"
#include "core/base/token.h"

namespace toccata::tokenizer {

inline constexpr Token kNoToken = -1;

// Filled once, then read only. Ids may have gaps; a token has at least one byte.
class Vocabulary {
 public:
  // `blob` holds the bytes of all tokens; lengths[id] of them belong to id, in id order (0: no such id).
  // The sum of the lengths must be blob.size(). No token can be found by its bytes yet.
  Vocabulary(std::string blob, const std::vector<std::uint32_t>& lengths);

  // Lets `find` see these tokens. If two have the same bytes the first keeps them.
  void index(const std::vector<Token>& tokens);

  // One past the highest id.
  int size() const { return static_cast<int>(offsets_.size()) - 1; }
  // nullopt for an id that is outside or in a gap.
  std::optional<std::string_view> bytes(Token token) const;
  // The indexed token with exactly these bytes, else kNoToken. Requires !bytes.empty().
  Token find(std::string_view bytes) const;
  // Asks the memory for what find_whole will look at.
  void prefetch(std::string_view bytes) const;
  // The same as find, for bytes that are expected to be a token.
  Token find_whole(std::string_view bytes) const;
  // No indexed token is longer.
  std::size_t longest() const { return longest_; }

 private:
  // Keyed by the bytes themselves up to eight of them, else by a hash whose hit is compared with the bytes.
  struct Slot {
    std::uint64_t key = 0;
    Token token = kNoToken;
    std::uint32_t length = 0;
  };
  void insert(Token token);
  Token look_up(std::string_view bytes, std::uint64_t key, std::uint64_t hash) const;
  static std::uint64_t mixed(std::uint64_t key, std::size_t length);
  std::size_t slot_of(std::uint64_t mixed) const { return mixed >> 8 & (slots_.size() - 1); }
  bool maybe(std::uint64_t mixed) const {
    const std::uint64_t bit = mixed >> (64 - kFilterBits);
    return (filter_[bit / 64] >> (bit % 64) & 1) != 0;
  }

  std::string blob_;
  std::vector<std::uint32_t> offsets_;
  HugeVector<Slot> slots_;  // open addressing, a power of two, at most half full
  // Most of what merging asks for is no token: a bit for each hash, small enough for the cache, says so without a look
  // at the slots.
  static constexpr int kFilterBits = 21;
  std::vector<std::uint64_t> filter_;
  std::vector<Token> pairs_;  // [65536] of two bytes: what merging asks for most, in a table that fits the cache
  std::size_t longest_ = 0;
};

}  // namespace toccata::tokenizer
