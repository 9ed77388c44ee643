// Any bytes as text, as a token stream and as a tokenizer.json: nothing crashes, every text comes back, and the
// stream decoder gives what decoding at once gives.
#include <cstdint>
#include <cstring>

#include "core/tokenizer/tokenizer.h"

namespace {

using namespace toccata;
using namespace toccata::tokenizer;

void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const Tokens tokens = tokenizer.encode(text);
  TOCCATA_CHECK(*tokenizer.decode_bytes(tokens) == text);
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (const Token token : tokens) {
    TOCCATA_CHECK(!tokenizer.is_special(token));
    streamed += decoder.push(token);
  }
  TOCCATA_CHECK(streamed + decoder.finish() == to_valid_utf8(text));
  (void)tokenizer.encode(text, Specials::kAll);
}

void check_tokens(const Tokenizer& tokenizer, std::string_view bytes) {
  Tokens tokens(bytes.size() / sizeof(Token));
  if (tokens.empty()) return;
  std::memcpy(tokens.data(), bytes.data(), tokens.size() * sizeof(Token));
  (void)tokenizer.decode_bytes(tokens);
  StreamDecoder decoder(tokenizer);
  for (const Token token : tokens) (void)decoder.push(token);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto o200k = Tokenizer::o200k_harmony();
  check_text(*o200k, bytes);
  check_tokens(*o200k, bytes);
  if (const auto read = Tokenizer::from_hf_json(bytes)) check_text(**read, "The text 12 é\xFF");
  return 0;
}
