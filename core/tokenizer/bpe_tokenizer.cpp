#include "core/tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/tokenizer/recent_pieces.h"

namespace toccata::tokenizer {
namespace {

// Pieces that are looked up together: the table's memory is asked for all of them before the first answer is needed.
constexpr std::size_t kBatch = 32;
// Bytes in pieces that are no token, from where on the tables for backtracking are worth their making.
constexpr std::size_t kWorthBacktracking = std::size_t{512} << 10;
// Shorter pieces are merged as quickly as they are backtracked.
constexpr std::size_t kShortPiece = 2;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

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

// What a thread keeps from one text to the next, for the tokenizer it used last.
struct BpeTokenizer::Scratch {
  std::uint64_t owner = 0;
  RecentPieces recent;
  BacktrackingEncoder::Memory neighbours;
};

BpeTokenizer::BpeTokenizer(
    BytePairEncoder encoder, Splitter splitter, const std::vector<AddedTokenDefinition>& added
)
    : encoder_(std::move(encoder)),
      id_(next_id()),
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
  if (text.empty()) return;
  struct Piece {
    std::string_view text;
    RecentPieces::Key key;
  };
  std::array<Piece, kBatch> batch;
  Scratch& scratch = this->scratch();
  while (!text.empty()) {
    std::size_t n = 0;
    for (; n < kBatch && !text.empty(); ++n) {
      const std::size_t length = splitter_(text);
      batch[n] = {text.substr(0, length), RecentPieces::key_of(text, length)};
      __builtin_prefetch(&scratch.recent.place(batch[n].key));
      text.remove_prefix(length);
    }
    const std::span<const Piece> pieces = std::span(batch).first(n);
    for (const Piece& piece : pieces) {
      if (scratch.recent.place(piece.key).key != piece.key) encoder_.vocabulary().prefetch(piece.text);
    }
    for (const Piece& piece : pieces) {
      RecentPieces::Entry& recent = scratch.recent.place(piece.key);
      if (piece.key.fits() && recent.key == piece.key) {
        for (std::int32_t i = 0; i < recent.n; ++i) out.push_back(recent.tokens[i]);
        continue;
      }
      const std::size_t before = out.size();
      const Token whole = encoder_.vocabulary().find_whole(piece.text);
      if (whole != kNoToken) {
        out.push_back(whole);
      } else {
        merge(piece.text, scratch, out);
      }
      const std::span<const Token> tokens = std::span(out).subspan(before);
      if (!piece.key.fits() || tokens.size() > RecentPieces::kTokensMax) continue;
      recent.key = piece.key;
      recent.n = static_cast<std::int32_t>(tokens.size());
      std::copy(tokens.begin(), tokens.end(), recent.tokens.begin());
    }
  }
}

BpeTokenizer::Scratch& BpeTokenizer::scratch() const {
  thread_local Scratch scratch;
  if (scratch.owner != id_) {
    scratch.recent.clear();
    scratch.neighbours = {};
    scratch.owner = id_;
  }
  return scratch;
}

void BpeTokenizer::merge(std::string_view piece, Scratch& scratch, Tokens& out) const {
  const BacktrackingEncoder* backtracking = this->backtracking(piece.size());
  if (backtracking != nullptr && piece.size() > kShortPiece) {
    backtracking->encode(piece, scratch.neighbours, out);
  } else {
    encoder_.merge(piece, out);
  }
}

const BacktrackingEncoder* BpeTokenizer::backtracking(std::size_t more_bytes) const {
  if (!encoder_.is_by_rank()) return nullptr;
  if (merged_bytes_.fetch_add(more_bytes, std::memory_order_relaxed) + more_bytes < kWorthBacktracking) return nullptr;
  std::call_once(backtracking_once_, [&] {
    auto made = std::make_unique<BacktrackingEncoder>(encoder_.vocabulary());
    if (made->is_complete()) backtracking_ = std::move(made);
  });
  return backtracking_.get();
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
