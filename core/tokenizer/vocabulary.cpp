#include "core/tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/error.h"

namespace toccata::tokenizer {
namespace {

constexpr std::uint64_t kOdd =
    0x9E3779B97F4A7C15;  // 2^64 / golden ratio: spreads over the high bits

std::uint64_t load_at_most_8(const char* bytes, std::size_t length) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, length);
  return word;
}

// The bytes up to eight; a hash of longer ones. Equal keys of different lengths are told apart by the length.
std::uint64_t key_of(std::string_view bytes) {
  if (bytes.size() <= 8) return load_at_most_8(bytes.data(), bytes.size());
  std::uint64_t hash = bytes.size();
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const std::size_t n = std::min<std::size_t>(8, bytes.size() - at);
    hash = (hash ^ load_at_most_8(bytes.data() + at, n)) * kOdd;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

Vocabulary::Vocabulary(std::string blob, const std::vector<std::uint32_t>& lengths)
    : blob_(std::move(blob)) {
  offsets_.reserve(lengths.size() + 1);
  offsets_.push_back(0);
  for (const std::uint32_t length : lengths) offsets_.push_back(offsets_.back() + length);
  TOCCATA_CHECK(offsets_.back() == blob_.size());
}

std::optional<std::string_view> Vocabulary::bytes(Token token) const {
  if (token < 0 || token >= size()) return std::nullopt;
  const std::uint32_t begin = offsets_[token];
  const std::uint32_t end = offsets_[token + 1];
  if (begin == end) return std::nullopt;
  return std::string_view(blob_).substr(begin, end - begin);
}

void Vocabulary::index(const std::vector<Token>& tokens) {
  TOCCATA_CHECK(slots_.empty());
  slots_.resize(std::bit_ceil(std::max<std::size_t>(16, 2 * tokens.size())));
  filter_.resize((std::size_t{1} << kFilterBits) / 64);
  // The slots of the next few are on their way while one is filled: each is a cache miss of its own.
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i + kAhead < tokens.size()) {
      const std::string_view ahead = *bytes(tokens[i + kAhead]);
      __builtin_prefetch(&slots_[slot_of(mixed(key_of(ahead), ahead.size()))], 1);
    }
    insert(tokens[i]);
  }
  std::vector<Token> pairs(1 << 16, kNoToken);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const char both[] = {static_cast<char>(i >> 8), static_cast<char>(i)};
    pairs[i] = find({both, 2});
  }
  pairs_ = std::move(pairs);
}

void Vocabulary::insert(Token token) {
  const std::string_view text = *bytes(token);
  const std::uint64_t key = key_of(text);
  const std::uint64_t hash = mixed(key, text.size());
  std::size_t at = slot_of(hash);
  for (; slots_[at].token != kNoToken; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].key == key && *bytes(slots_[at].token) == text) return;
  }
  slots_[at] = {key, token, static_cast<std::uint32_t>(text.size())};
  const std::uint64_t bit = hash >> (64 - kFilterBits);
  filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  longest_ = std::max(longest_, text.size());
}

std::uint64_t Vocabulary::mixed(std::uint64_t key, std::size_t length) {
  const std::uint64_t product = (key ^ length << 56) * kOdd;
  return product ^ product >> 32;
}

Token Vocabulary::find(std::string_view bytes) const {
  if (bytes.size() > longest_) return kNoToken;
  if (bytes.size() == 2 && !pairs_.empty()) {
    return pairs_[static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 | static_cast<unsigned char>(bytes[1])];
  }
  const std::uint64_t key = key_of(bytes);
  const std::uint64_t hash = mixed(key, bytes.size());
  return maybe(hash) ? look_up(bytes, key, hash) : kNoToken;
}

void Vocabulary::prefetch(std::string_view bytes) const {
  __builtin_prefetch(&slots_[slot_of(mixed(key_of(bytes), bytes.size()))]);
}

Token Vocabulary::find_whole(std::string_view bytes) const {
  if (bytes.size() > longest_) return kNoToken;
  const std::uint64_t key = key_of(bytes);
  return look_up(bytes, key, mixed(key, bytes.size()));
}

Token Vocabulary::look_up(std::string_view bytes, std::uint64_t key, std::uint64_t hash) const {
  for (std::size_t at = slot_of(hash);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.token == kNoToken) return kNoToken;
    if (slot.key != key || slot.length != bytes.size()) continue;
    if (bytes.size() <= 8) return slot.token;
    const char* found = blob_.data() + offsets_[slot.token];
    if (std::memcmp(found, bytes.data(), bytes.size()) == 0) return slot.token;
  }
}

}  // namespace toccata::tokenizer
