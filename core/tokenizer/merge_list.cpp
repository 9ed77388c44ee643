#include "core/tokenizer/merge_list.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"

namespace toccata::tokenizer {
namespace {

Vocabulary make_vocabulary(const std::vector<std::string>& tokens) {
  std::string blob;
  std::vector<std::uint32_t> lengths;
  for (const std::string& bytes : tokens) {
    blob += bytes;
    lengths.push_back(static_cast<std::uint32_t>(bytes.size()));
  }
  return Vocabulary(std::move(blob), lengths);
}

std::vector<Token> single_bytes(const TokenBytes& tokens) {
  std::vector<Token> singles;
  for (const Token id : tokens.mergeable) {
    if (tokens.bytes[id].size() == 1) singles.push_back(id);
  }
  if (singles.size() != 256) {
    throw Exception(
        ErrorCode::kUnsupported,
        "the vocabulary has " + std::to_string(singles.size()) +
            " single-byte tokens, expected all 256"
    );
  }
  return singles;
}

// True when merging by rank gives the same tokens as the list: the list is in the order of the ids, and for
// every token of two bytes or more the last merge that makes it by rank is in the list. By induction both ways
// then make the same merges: the neighbours of the best rank are always the last two parts of the token they
// make, because no merge across their borders came before.
bool agrees_with_ranks(
    const BytePairEncoder& by_rank,
    const std::vector<MergePair>& merges,
    const std::vector<Token>& mergeable
) {
  const auto by_merged = [](const MergePair& a, const MergePair& b) { return a.merged < b.merged; };
  if (!std::is_sorted(merges.begin(), merges.end(), by_merged)) return false;
  return std::all_of(mergeable.begin(), mergeable.end(), [&](Token token) {
    if (by_rank.vocabulary().bytes(token)->size() == 1) return true;
    const Tokens parts = by_rank.parts_of(token);
    if (parts.size() != 2) return false;
    const auto [first, last] =
        std::equal_range(merges.begin(), merges.end(), MergePair{0, 0, token}, by_merged);
    return std::any_of(first, last, [&](const MergePair& merge) {
      return merge.left == parts[0] && merge.right == parts[1];
    });
  });
}

// The tokens that merging their own bytes gives back: pieces that need no merging.
std::vector<Token> self_encoding(const BytePairEncoder& by_pair, const TokenBytes& tokens) {
  std::vector<Token> found;
  for (const Token id : tokens.mergeable) {
    Tokens merged;
    by_pair.merge(tokens.bytes[id], merged);
    if (merged == Tokens{id}) found.push_back(id);
  }
  return found;
}

}  // namespace

BytePairEncoder make_encoder(
    const TokenBytes& tokens, const std::vector<MergePair>& merges, WholePieces whole_pieces
) {
  const std::vector<Token> singles = single_bytes(tokens);
  const Vocabulary unindexed = make_vocabulary(tokens.bytes);
  Vocabulary all = unindexed;
  all.index(tokens.mergeable);
  BytePairEncoder by_rank(all);
  if (agrees_with_ranks(by_rank, merges, tokens.mergeable)) return by_rank;

  const PairMerges pairs(merges);
  if (whole_pieces == WholePieces::kAllTokens) return BytePairEncoder(std::move(all), pairs);
  Vocabulary bytes_only = unindexed;
  bytes_only.index(singles);
  Vocabulary whole = unindexed;
  whole.index(self_encoding(BytePairEncoder(std::move(bytes_only), pairs), tokens));
  return BytePairEncoder(std::move(whole), pairs);
}

}  // namespace toccata::tokenizer
