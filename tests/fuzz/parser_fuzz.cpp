// Any ids, and any text with its control spellings, as a completion: the lenient parser takes everything, its deltas
// are its messages, and it warns in order; the strict one may only refuse.
#include <cstdint>
#include <cstring>

#include "agent/harmony/arguments.h"
#include "agent/harmony/parser.h"
#include "tests/agent/harmony/mutations.h"

namespace {

using namespace toccata;

const harmony::Renderer& renderer() {
  static const auto instance = harmony::Renderer::make(tokenizer::Tokenizer::o200k_harmony()).value_or_throw();
  return instance;
}

// Two bytes an id: the control tokens, odd ids, and ordinary ones.
Tokens tokens_from(std::string_view bytes) {
  Tokens tokens;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const int low = static_cast<unsigned char>(bytes[i]), high = static_cast<unsigned char>(bytes[i + 1]);
    if (high < 64) {
      tokens.push_back(199998 + low % 22);
    } else if (high < 72) {
      tokens.push_back(static_cast<Token>(low % 2 == 0 ? 201080 + low : -low));
    } else {
      tokens.push_back((high - 72) * 1000 + low);
    }
  }
  return tokens;
}

void check(const Tokens& tokens) {
  for (const bool with_role : {true, false}) {
    harmony::MutatedStream stream;
    stream.tokens = tokens;
    if (with_role) stream.role = harmony::Role::kAssistant;
    const std::string broken = harmony::check_stream(renderer(), stream);
    // Letters may spell control tokens in fuzzed text; everything else must hold.
    TOCCATA_CHECK(broken.empty() || broken.starts_with("control text"), broken.c_str());

    harmony::ParserOptions options{.role = stream.role, .strict = true, .tools = {}};
    harmony::Parser strict(renderer(), options);
    for (const Token token : tokens) (void)strict.push(token);
    (void)strict.finish();
    for (const harmony::Message& m : strict.messages()) (void)harmony::json_arguments("functions.f", m.text());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(tokens_from(bytes));
  check(renderer().tokenizer().encode(bytes, tokenizer::Specials::kAll));
  (void)harmony::json_arguments("functions.f", bytes);
  return 0;
}
