// An encoder for a vocabulary that comes with a list of merges, as in tokenizer.json.
#pragma once

#include <string>
#include <vector>

#include "core/base/token.h"
#include "core/tokenizer/byte_pair.h"

namespace toccata::tokenizer {

// The bytes of every token, and the ids of those that merging may produce.
struct TokenBytes {
  std::vector<std::string> bytes;  // [n_vocab], empty in gaps
  std::vector<Token> mergeable;    // ascending; their bytes are not empty
};

// Which pieces of text become one token without a look at the merges.
enum class WholePieces {
  kWhatMergesGive,  // those whose merging ends in that token anyway
  kAllTokens,       // every mergeable token (`ignore_merges`)
};

// Merges by rank when that gives the same tokens as the list, else by pair (byte_pair.h says what they are).
// Throws Exception(kUnsupported) when one of the 256 single bytes is not a mergeable token.
BytePairEncoder make_encoder(
    const TokenBytes& tokens, const std::vector<MergePair>& merges, WholePieces whole_pieces
);

}  // namespace toccata::tokenizer
