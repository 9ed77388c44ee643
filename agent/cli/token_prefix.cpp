#include "agent/cli/token_prefix.h"

#include "core/tokenizer/tokenizer.h"

namespace toccata::cli {

tools::TokenPrefix o200k_prefix() {
  return [](std::string_view text, std::size_t n_tokens) {
    const auto tokenizer = tokenizer::Tokenizer::o200k_harmony();
    const Tokens tokens = tokenizer->encode(text);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < tokens.size() && i < n_tokens; ++i) {
      bytes += tokenizer->token_bytes(tokens[i])->size();
    }
    return bytes;
  };
}

}  // namespace toccata::cli
