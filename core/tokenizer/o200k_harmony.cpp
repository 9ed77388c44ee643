// The embedded vocabulary of gpt-oss: 199,998 tokens of o200k_base and the special tokens above them.
#include <zstd.h>

#include <array>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/tokenizer/bpe_tokenizer.h"

extern "C" const unsigned char toccata_o200k_base_begin[];
extern "C" const unsigned char toccata_o200k_base_end[];

namespace toccata::tokenizer {
namespace {

constexpr int kOrdinary = 199998;
constexpr int kVocabulary = 201088;  // the rows of the models' embeddings

constexpr std::array<std::pair<Token, std::string_view>, 10> kNamed = {{
    {199998, "<|startoftext|>"},
    {199999, "<|endoftext|>"},
    {200002, "<|return|>"},
    {200003, "<|constrain|>"},
    {200005, "<|channel|>"},
    {200006, "<|start|>"},
    {200007, "<|end|>"},
    {200008, "<|message|>"},
    {200012, "<|call|>"},
    {200018, "<|endofprompt|>"},
}};

// The ids without a name are <|reserved_ID|>. 200018 has both: tiktoken accepts either spelling, and the
// first of an id is the one it decodes to. The harmony crate's 201088 does not exist in the models.
std::vector<AddedTokenDefinition> special_tokens() {
  std::vector<AddedTokenDefinition> tokens;
  const auto* named = kNamed.begin();
  for (Token id = kOrdinary; id < kVocabulary; ++id) {
    const bool has_name = named != kNamed.end() && named->first == id;
    if (has_name) tokens.push_back({std::string((named++)->second), id});
    if (has_name && id != 200018) continue;
    tokens.push_back({"<|reserved_" + std::to_string(id) + "|>", id});
  }
  return tokens;
}

// See data/README.md for the format.
std::string unpack_vocabulary() {
  const std::size_t packed_size = toccata_o200k_base_end - toccata_o200k_base_begin;
  const auto size = ZSTD_getFrameContentSize(toccata_o200k_base_begin, packed_size);
  TOCCATA_CHECK(size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN);
  std::string unpacked(size, '\0');
  const std::size_t n =
      ZSTD_decompress(unpacked.data(), size, toccata_o200k_base_begin, packed_size);
  TOCCATA_CHECK(!ZSTD_isError(n) && n == size, "the embedded vocabulary does not unpack");
  return unpacked;
}

std::shared_ptr<const Tokenizer> make_o200k_harmony() {
  constexpr std::string_view kMagic = "TCVOCAB1";
  constexpr std::size_t kHeader = 12;  // magic and the number of tokens
  std::string blob = unpack_vocabulary();
  std::uint32_t n_tokens = 0;
  TOCCATA_CHECK(blob.starts_with(kMagic));
  std::memcpy(&n_tokens, blob.data() + kMagic.size(), sizeof(n_tokens));
  TOCCATA_CHECK(n_tokens == kOrdinary);

  std::vector<std::uint32_t> lengths(kVocabulary);
  for (std::uint32_t id = 0; id < n_tokens; ++id) {
    lengths[id] = static_cast<std::uint8_t>(blob[kHeader + id]);
  }
  blob.erase(0, kHeader + n_tokens);
  const std::vector<AddedTokenDefinition> specials = special_tokens();
  for (const AddedTokenDefinition& special : specials) {
    if (lengths[special.token] != 0) continue;
    lengths[special.token] = static_cast<std::uint32_t>(special.spelling.size());
    blob += special.spelling;
  }

  Vocabulary vocabulary(std::move(blob), lengths);
  std::vector<Token> ordinary(n_tokens);
  std::iota(ordinary.begin(), ordinary.end(), 0);
  vocabulary.index(ordinary);
  return std::make_shared<BpeTokenizer>(
      BytePairEncoder(std::move(vocabulary)), o200k_piece, specials
  );
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::o200k_harmony() {
  // Immutable data of the program itself, unpacked once; not state.
  static const std::shared_ptr<const Tokenizer> tokenizer = make_o200k_harmony();
  return tokenizer;
}

}  // namespace toccata::tokenizer
