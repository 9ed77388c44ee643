#include "core/tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/tokenizer/recent_pieces.h"

namespace toccata::tokenizer {
namespace {

constexpr std::size_t kWorthRemembering = 2048;  // bytes; below, clearing the memory costs more than it saves

std::vector<AddedTokenMatcher> make_passes(
    const std::vector<AddedTokenDefinition>& added, Specials specials
) {
  std::vector<AddedTokenMatcher> passes;
  for (const bool normalized : {false, true}) {
    std::vector<AddedToken> tokens;
    for (const AddedTokenDefinition& token : added) {
      if (token.normalized != normalized) continue;
      if (token.special && specials == Specials::kNone) continue;
      tokens.push_back({token.spelling, token.token});
    }
    if (!tokens.empty()) passes.emplace_back(tokens);
  }
  return passes;
}

}  // namespace

BpeTokenizer::BpeTokenizer(
    BytePairEncoder encoder, Splitter splitter, const std::vector<AddedTokenDefinition>& added
)
    : encoder_(std::move(encoder)),
      splitter_(splitter),
      ordinary_passes_(make_passes(added, Specials::kNone)),
      all_passes_(make_passes(added, Specials::kAll)),
      is_special_(encoder_.vocabulary().size()) {
  for (const AddedTokenDefinition& token : added) {
    if (!token.special) continue;
    specials_.emplace(token.spelling, token.token);
    is_special_.at(token.token) = true;
  }
}

Tokens BpeTokenizer::encode(std::string_view text, Specials specials) const {
  Tokens tokens;
  encode_into(text, specials, tokens);
  return tokens;
}

void BpeTokenizer::encode_into(std::string_view text, Specials specials, Tokens& out) const {
  encode_passes(text, specials == Specials::kAll ? all_passes_ : ordinary_passes_, out);
}

void BpeTokenizer::encode_passes(
    std::string_view text, std::span<const AddedTokenMatcher> passes, Tokens& out
) const {
  if (passes.empty()) return encode_ordinary(text, out);
  for (std::size_t at = 0; at < text.size();) {
    const auto match = passes[0].find(text, at);
    encode_passes(text.substr(at, match.begin - at), passes.subspan(1), out);
    if (match.length > 0) out.push_back(match.token);
    at = match.begin + match.length;
  }
}

void BpeTokenizer::encode_ordinary(std::string_view text, Tokens& out) const {
  if (text.size() >= kWorthRemembering) return encode_long(text, out);
  while (!text.empty()) {
    const std::size_t length = splitter_(text);
    encoder_.encode(text.substr(0, length), out);
    text.remove_prefix(length);
  }
}

void BpeTokenizer::encode_long(std::string_view text, Tokens& out) const {
  RecentPieces recent;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, splitter_(text));
    text.remove_prefix(piece.size());
    if (piece.size() > RecentPieces::kBytesMax) {
      encoder_.encode(piece, out);
      continue;
    }
    std::uint64_t low = 0, high = 0;
    RecentPieces::Entry& entry = recent.place(piece, low, high);
    if (RecentPieces::is(entry, low, high)) {
      out.insert(out.end(), entry.tokens.begin(), entry.tokens.begin() + entry.n);
      continue;
    }
    const std::size_t before = out.size();
    encoder_.encode(piece, out);
    const std::size_t n = out.size() - before;
    if (n > RecentPieces::kTokensMax) continue;
    entry.low = low;
    entry.high = high;
    entry.n = static_cast<std::int32_t>(n);
    std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), entry.tokens.begin());
  }
}

Result<std::string> BpeTokenizer::decode_bytes(std::span<const Token> tokens) const {
  std::string bytes;
  bytes.reserve(tokens.size() * 5);  // prose has 4.8 bytes a token
  for (const Token token : tokens) {
    const auto piece = token_bytes(token);
    if (!piece) {
      return Error{
          ErrorCode::kInvalidArgument,
          "token " + std::to_string(token) + " is not in the vocabulary, whose ids end at " +
              std::to_string(n_vocab() - 1)};
    }
    bytes.append(*piece);
  }
  return bytes;
}

std::optional<std::string_view> BpeTokenizer::token_bytes(Token token) const {
  return encoder_.vocabulary().bytes(token);
}

std::optional<Token> BpeTokenizer::special_id(std::string_view spelling) const {
  const auto found = specials_.find(spelling);
  if (found == specials_.end()) return std::nullopt;
  return found->second;
}

bool BpeTokenizer::is_special(Token token) const {
  return token >= 0 && token < n_vocab() && is_special_[token];
}

}  // namespace toccata::tokenizer
