// The pieces of a text that came lately and their tokens. Words repeat, and the vocabulary's table is larger than the
// processor's caches: most look-ups end here.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "core/base/token.h"

namespace toccata::tokenizer {

// Direct-mapped: a piece takes the place of another one. 64 KB; for one text, on the stack.
class RecentPieces {
 public:
  static constexpr std::size_t kBytesMax = 15, kTokensMax = 3;

  struct Entry {
    std::uint64_t low = 0, high = 0;  // the bytes, and their number in the last one
    std::int32_t n = 0;
    std::array<Token, kTokensMax> tokens{};
  };
  // Where the piece belongs; what stands there is its own when is() says so. Requires size() <= kBytesMax.
  Entry& place(std::string_view piece, std::uint64_t& low, std::uint64_t& high) {
    std::array<char, 16> bytes{};
    std::memcpy(bytes.data(), piece.data(), piece.size());
    bytes[15] = static_cast<char>(piece.size());
    std::memcpy(&low, bytes.data(), 8);
    std::memcpy(&high, bytes.data() + 8, 8);
    const std::uint64_t mixed = (low ^ (high * 0x9E3779B97F4A7C15U)) * 0xD6E8FEB86659FD93U;
    return entries_[mixed >> (64 - kBits)];
  }
  static bool is(const Entry& entry, std::uint64_t low, std::uint64_t high) {
    return entry.low == low && entry.high == high;
  }

 private:
  static constexpr int kBits = 11;
  std::array<Entry, 1 << kBits> entries_{};
};

}  // namespace toccata::tokenizer
