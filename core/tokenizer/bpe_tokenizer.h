// The one implementation of Tokenizer: added tokens, then pieces, then byte-pair merging.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "core/tokenizer/added_tokens.h"
#include "core/tokenizer/backtracking.h"
#include "core/tokenizer/byte_pair.h"
#include "core/tokenizer/splitter.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::tokenizer {

// A token outside the merges. Special ones are control tokens; the others are ordinary text that happens to be
// one token, and are found in every text.
struct AddedTokenDefinition {
  std::string spelling;
  Token token;
  bool special = true;
  // Hugging Face looks for tokens with `normalized` in what the others left over, so the others win overlaps.
  bool normalized = false;
};

class BpeTokenizer final : public Tokenizer {
 public:
  // The encoder's vocabulary holds the bytes of all tokens, also of the added ones. Of several definitions
  // with one id each is recognised in a text.
  BpeTokenizer(
      BytePairEncoder encoder, Splitter splitter, const std::vector<AddedTokenDefinition>& added
  );

  Tokens encode(std::string_view text, Specials specials) const override;
  void encode_into(std::string_view text, Specials specials, Tokens& out) const override;
  Result<std::string> decode_bytes(std::span<const Token> tokens) const override;
  std::optional<std::string_view> token_bytes(Token token) const override;
  std::optional<Token> special_id(std::string_view spelling) const override;
  bool is_special(Token token) const override;
  const std::map<std::string, Token, std::less<>>& specials() const override { return specials_; }
  int n_vocab() const override { return encoder_.vocabulary().size(); }

 private:
  // The added tokens to look for, one matcher after the other, each in the text between earlier matches.
  using Passes = std::vector<AddedTokenMatcher>;
  void encode_passes(std::string_view text, std::span<const AddedTokenMatcher> passes, Tokens& out)
      const;
  void encode_ordinary(std::string_view text, Tokens& out) const;
  struct Scratch;
  Scratch& scratch() const;
  void merge(std::string_view piece, Scratch& scratch, Tokens& out) const;
  const BacktrackingEncoder* backtracking(std::size_t more_bytes) const;

  BytePairEncoder encoder_;
  std::uint64_t id_;  // of this object among all of the process
  // Made by whoever merges so much that it pays.
  mutable std::atomic<std::size_t> merged_bytes_ = 0;
  mutable std::once_flag backtracking_once_;
  mutable std::unique_ptr<const BacktrackingEncoder> backtracking_;
  Splitter splitter_;
  Passes ordinary_passes_;  // for Specials::kNone
  Passes all_passes_;       // for Specials::kAll
  std::map<std::string, Token, std::less<>> specials_;
  std::vector<bool> is_special_;  // [n_vocab]
};

}  // namespace toccata::tokenizer
