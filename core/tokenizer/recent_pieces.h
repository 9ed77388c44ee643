// The pieces that came lately and their tokens. Words repeat, and the vocabulary's table is larger than the processor's
// caches: most look-ups end here.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/base/token.h"

namespace toccata::tokenizer {

// Direct-mapped: a piece takes the place of another one. 512 KB.
class RecentPieces {
 public:
  static constexpr std::size_t kBytesMax = 15, kTokensMax = 3;

  // The bytes, and their number in the last one. All zero for a piece that is too long: no piece is.
  struct Key {
    std::uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
    bool fits() const { return high != 0; }
  };
  // The key of text.substr(0, length).
  static Key key_of(std::string_view text, std::size_t length) {
    Key key;
    if (length > kBytesMax) return key;
    if (text.size() >= 16) {  // without a call for a copy of a few bytes
      std::memcpy(&key, text.data(), 16);
      const std::uint64_t kept = length % 8 == 0 ? 0 : ~std::uint64_t{0} >> (64 - 8 * (length % 8));
      key.low &= length < 8 ? kept : ~std::uint64_t{0};
      key.high &= length < 8 ? 0 : kept;
    } else {
      std::memcpy(&key, text.data(), length);
    }
    key.high |= std::uint64_t{length} << 56;
    return key;
  }

  struct Entry {
    Key key;
    std::int32_t n = 0;
    std::array<Token, kTokensMax> tokens{};
  };
  // Where the piece belongs; what stands there is its own when the key is.
  Entry& place(const Key& key) {
    const std::uint64_t mixed = (key.low ^ (key.high * 0x9E3779B97F4A7C15U)) * 0xD6E8FEB86659FD93U;
    return entries_[mixed >> (64 - kBits)];
  }
  void clear() { entries_.assign(entries_.size(), {}); }

 private:
  static constexpr int kBits = 14;
  std::vector<Entry> entries_ = std::vector<Entry>(std::size_t{1} << kBits);
};

}  // namespace toccata::tokenizer
