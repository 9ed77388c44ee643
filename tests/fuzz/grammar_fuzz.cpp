// A schema, then a zero byte, then choices: what compiles never leads to a dead end, its masks say what accept() does,
// and taking back restores them. Schemas with errors only have to be refused.
#include <cstdint>

#include "core/grammar/matcher.h"
#include "core/grammar/schema.h"

namespace {

using namespace toccata;
using namespace toccata::grammar;

const std::shared_ptr<const TokenTrie>& trie() {
  static const auto instance = TokenTrie::make(*tokenizer::Tokenizer::o200k_harmony());
  return instance;
}

std::vector<Token> allowed(const TokenMask& mask) {
  std::vector<Token> tokens;
  for (std::size_t word = 0; word < mask.size(); ++word) {
    for (std::uint32_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      tokens.push_back(static_cast<Token>(word * 32 + static_cast<std::size_t>(__builtin_ctz(bits))));
    }
  }
  return tokens;
}

void walk(Matcher& matcher, std::string_view choices) {
  for (const char c : choices.substr(0, 24)) {
    const TokenMask mask = matcher.mask();
    const std::vector<Token> tokens = allowed(mask);
    TOCCATA_CHECK(!tokens.empty() || matcher.at_end(), "a dead end");
    if (tokens.empty()) return;
    const auto choice = static_cast<unsigned char>(c);
    const Token token = tokens[choice * 7919U % tokens.size()];
    const std::string forced = matcher.forced_text(8);
    const std::string& bytes = matcher.trie().bytes(token);
    TOCCATA_CHECK(
        forced.empty() || bytes.starts_with(forced.substr(0, bytes.size())) || bytes.find('\\') != std::string::npos,
        "another token than the forced text"
    );
    const Token other = static_cast<Token>(choice * 784U % 200'000U);
    TOCCATA_CHECK(matcher.allows(other) == has_token(mask, other), "the mask and accept() differ");
    TOCCATA_CHECK(matcher.accept(token), "the mask allowed what is refused");
    if (choice % 3 == 0) {
      matcher.rollback(1);
      TOCCATA_CHECK(matcher.mask() == mask, "taking back does not restore the mask");
      TOCCATA_CHECK(matcher.accept(token));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), input.size());
  SchemaLimits limits;
  limits.nodes_max = 500;
  limits.alternatives_max = 64;
  limits.states_max = 2000;
  const CompiledSchema compiled = compile_schema_text(input.substr(0, zero), limits);
  if (const auto* grammar = std::get_if<std::shared_ptr<const Grammar>>(&compiled)) {
    Matcher matcher(*grammar, trie());
    walk(matcher, input.substr(std::min(zero + 1, input.size())));
  }
  return 0;
}
