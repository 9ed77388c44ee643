#include "core/tokenizer/byte_pair.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "core/base/error.h"

namespace toccata::tokenizer {
namespace {

// Up to here a scan over all neighbours for each merge is faster than keeping a heap of them.
constexpr std::size_t kShortPiece = 48;
// Positions inside a piece are 32-bit. Merging ends at this many bytes and starts anew.
constexpr std::size_t kLongestPiece = std::size_t{1} << 31;

// The two rules, as functions of the bytes of both neighbours together and of their tokens.
struct RankRule {
  const Vocabulary& vocabulary;
  Merge operator()(std::string_view bytes, Token, Token) const {
    const Token token = vocabulary.find(bytes);
    return {static_cast<std::uint32_t>(token), token};  // kNoToken's rank is kNever
  }
};

// As if the vocabulary ended before `end`.
struct LowerRankRule {
  RankRule rule;
  Token end;
  Merge operator()(std::string_view bytes, Token left, Token right) const {
    const Merge merge = rule(bytes, left, right);
    return merge.merged < end ? merge : Merge{};
  }
};
static_assert(static_cast<std::uint32_t>(kNoToken) == Merge::kNever);

struct PairRule {
  const PairMerges& merges;
  Merge operator()(std::string_view, Token left, Token right) const {
    return merges.find(left, right);
  }
};

// Merges by scanning for the best pair each time: O(n * merges), no allocation.
template <class Rule>
void merge_short(
    std::string_view piece, const Rule& rule, const std::array<Token, 256>& byte_tokens, Tokens& out
) {
  struct Part {
    std::uint32_t begin;
    Token token;
    Merge with_next;
  };
  std::array<Part, kShortPiece + 1> parts;
  std::size_t n = piece.size();
  for (std::size_t i = 0; i < n; ++i) {
    const Token token = byte_tokens[static_cast<std::uint8_t>(piece[i])];
    parts[i] = {static_cast<std::uint32_t>(i), token, {}};
  }
  parts[n].begin = static_cast<std::uint32_t>(n);

  const auto update = [&](std::size_t i) {
    const std::uint32_t begin = parts[i].begin;
    const std::string_view both = piece.substr(begin, parts[i + 2].begin - begin);
    parts[i].with_next = rule(both, parts[i].token, parts[i + 1].token);
  };
  for (std::size_t i = 0; i + 1 < n; ++i) update(i);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i) {
      if (parts[i].with_next.rank < parts[best].with_next.rank) best = i;
    }
    if (parts[best].with_next.rank == Merge::kNever) break;
    parts[best].token = parts[best].with_next.merged;
    std::copy(parts.begin() + best + 2, parts.begin() + n + 1, parts.begin() + best + 1);
    --n;
    if (best > 0) update(best - 1);
    if (best + 1 < n) update(best);
  }
  for (std::size_t i = 0; i < n; ++i) out.push_back(parts[i].token);
}

// Merges with a heap of candidate pairs and a linked list of the parts: O(n log n).
template <class Rule>
class LongMerge {
 public:
  LongMerge(std::string_view piece, const Rule& rule) : piece_(piece), rule_(rule) {}

  void run(const std::array<Token, 256>& byte_tokens, Tokens& out) {
    const auto n = static_cast<std::uint32_t>(piece_.size());
    parts_.resize(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      parts_[i] = {i - 1, i + 1, byte_tokens[static_cast<std::uint8_t>(piece_[i])], Merge::kNever};
    }
    for (std::uint32_t i = 0; i + 1 < n; ++i) {
      if (update(i)) heap_.push_back(heap_key(i));
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const std::uint64_t key = heap_.back();
      heap_.pop_back();
      const auto at = static_cast<std::uint32_t>(key);
      if (heap_key(at) == key) merge_with_next(at);  // else it is out of date
    }
    for (std::uint32_t i = 0; i < n; i = parts_[i].next) out.push_back(parts_[i].token);
  }

 private:
  // The part that begins at its own index; `previous` and `next` are where its neighbours begin.
  struct Part {
    std::uint32_t previous;
    std::uint32_t next;
    Token token;
    std::uint32_t rank;  // of the merge with the next part; kNever for parts that are gone
  };

  // Orders by rank, then by position.
  std::uint64_t heap_key(std::uint32_t at) const {
    return std::uint64_t{parts_[at].rank} << 32 | at;
  }

  Merge candidate(std::uint32_t at) const {
    const std::uint32_t next = parts_[at].next;
    const std::string_view both = piece_.substr(at, parts_[next].next - at);
    return rule_(both, parts_[at].token, parts_[next].token);
  }

  // Recomputes the rank of the merge with the next part; false when there is none.
  bool update(std::uint32_t at) {
    parts_[at].rank = parts_[at].next < piece_.size() ? candidate(at).rank : Merge::kNever;
    return parts_[at].rank != Merge::kNever;
  }

  void update_and_push(std::uint32_t at) {
    if (!update(at)) return;
    heap_.push_back(heap_key(at));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void merge_with_next(std::uint32_t at) {
    Part& part = parts_[at];
    part.token = candidate(at).merged;
    Part& gone = parts_[part.next];
    gone.rank = Merge::kNever;
    part.next = gone.next;
    if (part.next < piece_.size()) parts_[part.next].previous = at;
    update_and_push(at);
    if (at > 0) update_and_push(part.previous);
  }

  std::string_view piece_;
  Rule rule_;
  std::vector<Part> parts_;
  std::vector<std::uint64_t> heap_;
};

template <class Rule>
void merge_piece(
    std::string_view piece, const Rule& rule, const std::array<Token, 256>& byte_tokens, Tokens& out
) {
  if (piece.size() <= kShortPiece) return merge_short(piece, rule, byte_tokens, out);
  for (; !piece.empty(); piece.remove_prefix(std::min(piece.size(), kLongestPiece))) {
    LongMerge(piece.substr(0, kLongestPiece), rule).run(byte_tokens, out);
  }
}

std::uint64_t pair_key(Token left, Token right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

PairMerges::PairMerges(std::size_t n) : slots_(std::bit_ceil(2 * n + 1)), filter_((std::size_t{1} << kFilterBits) / 64) {}

PairMerges::PairMerges(const std::vector<MergePair>& pairs) : PairMerges(pairs.size()) {
  for (std::size_t rank = 0; rank < pairs.size(); ++rank) add(pairs[rank], static_cast<std::uint32_t>(rank));
}

void PairMerges::add(const MergePair& pair, std::uint32_t rank) {
  const std::uint64_t key = pair_key(pair.left, pair.right);
  const std::uint64_t hash = mixed(key);
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
  if (slots_[at].key == key) return;
  slots_[at] = {key, {rank, pair.merged}};
  const std::uint64_t bit = hash >> (64 - kFilterBits);
  filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

std::uint64_t PairMerges::mixed(std::uint64_t key) {
  const std::uint64_t product = key * 0x9E3779B97F4A7C15;
  return product ^ product >> 32;
}

Merge PairMerges::find(Token left, Token right) const {
  const std::uint64_t key = pair_key(left, right);
  const std::uint64_t hash = mixed(key);
  const std::uint64_t bit = hash >> (64 - kFilterBits);
  if ((filter_[bit / 64] >> (bit % 64) & 1) == 0) return {};
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].key == key) return slots_[at].merge;
    if (slots_[at].key == kEmpty) return {};
  }
}

BytePairEncoder::BytePairEncoder(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] = vocabulary_.find({&c, 1});
    TOCCATA_CHECK(byte_tokens_[byte] != kNoToken);
  }
}

BytePairEncoder::BytePairEncoder(Vocabulary vocabulary, PairMerges merges)
    : BytePairEncoder(std::move(vocabulary)) {
  merges_ = std::move(merges);
}

void BytePairEncoder::encode(std::string_view piece, Tokens& out) const {
  const Token whole = vocabulary_.find(piece);
  if (whole != kNoToken) {
    out.push_back(whole);
  } else {
    merge(piece, out);
  }
}

void BytePairEncoder::merge(std::string_view piece, Tokens& out) const {
  if (merges_) {
    merge_piece(piece, PairRule{*merges_}, byte_tokens_, out);
  } else {
    merge_piece(piece, RankRule{vocabulary_}, byte_tokens_, out);
  }
}

Tokens BytePairEncoder::parts_of(Token token) const {
  TOCCATA_CHECK(!merges_);
  Tokens parts;
  const LowerRankRule rule{{vocabulary_}, token};
  merge_piece(vocabulary_.bytes(token).value(), rule, byte_tokens_, parts);
  return parts;
}

}  // namespace toccata::tokenizer
