#include "agent/cli/token_prefix.h"

#include "core/tokenizer/tokenizer.h"

namespace toccata::cli {
namespace {

// Characters of bytes decoded by themselves: each longest beginning of a character that is cut off, and each other byte
// that begins none, is one U+FFFD (Unicode 15, section 3.9, substitution of maximal subparts).
std::size_t chars_alone(std::string_view bytes) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < bytes.size(); ++n) {
    const auto first = static_cast<unsigned char>(bytes[i++]);
    if (first < 0xC2 || first > 0xF4) continue;
    const int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    for (int k = 0; k < more && i < bytes.size(); ++k, ++i) {
      const auto next = static_cast<unsigned char>(bytes[i]);
      if (next < low || next > high) break;
      low = 0x80;
      high = 0xBF;
    }
  }
  return n;
}

}  // namespace

tools::TokenPrefix o200k_prefix() {
  return [](std::string_view text, std::size_t n_tokens) {
    const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
    const Tokens tokens = tokenizer->encode(text);
    if (tokens.size() <= n_tokens) return text.size() + 1;
    std::size_t chars = 0;
    for (std::size_t i = 0; i < n_tokens; ++i) chars += chars_alone(*tokenizer->token_bytes(tokens[i]));
    return chars;
  };
}

}  // namespace toccata::cli
