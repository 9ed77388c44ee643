// Text <-> token ids for byte-pair vocabularies: o200k_harmony (embedded, no download) and Hugging Face
// tokenizer.json files. The only place that knows special-token ids.
//
// A Tokenizer is immutable after it is made; any number of threads may share one.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/token.h"

namespace toccata::tokenizer {

// Whether special-token spellings in the text become control tokens. Text that comes from users, tools or
// pages is always encoded with kNone: there `<|start|>` is seven ordinary characters and more.
enum class Specials { kNone, kAll };

class Tokenizer {
 public:
  // The vocabulary of gpt-oss, unpacked from the program itself on first use and shared by all callers.
  static std::shared_ptr<const Tokenizer> o200k_harmony();

  // A Hugging Face tokenizer.json (byte-level BPE). kUnsupported names the part we do not handle.
  static Result<std::shared_ptr<const Tokenizer>> from_hf_json(std::string_view json_text);
  static Result<std::shared_ptr<const Tokenizer>> from_hf_file(const std::filesystem::path& path);

  virtual ~Tokenizer() = default;

  // Never fails: every byte has a token. Invalid UTF-8 is encoded byte by byte.
  virtual Tokens encode(std::string_view text, Specials specials = Specials::kNone) const = 0;
  // Appends to `out`; what renderers use.
  virtual void encode_into(std::string_view text, Specials specials, Tokens& out) const = 0;

  // The exact bytes of the tokens (specials as their spelling), or kInvalidArgument naming the unknown id.
  virtual Result<std::string> decode_bytes(std::span<const Token> tokens) const = 0;
  // The bytes of one token; nullopt for an id outside the vocabulary. The view lives as long as the tokenizer.
  virtual std::optional<std::string_view> token_bytes(Token token) const = 0;

  virtual std::optional<Token> special_id(std::string_view spelling) const = 0;
  virtual bool is_special(Token token) const = 0;
  // Spelling -> id; many spellings may share an id.
  virtual const std::map<std::string, Token, std::less<>>& specials() const = 0;

  // One past the highest id the vocabulary defines (o200k_harmony: 201088).
  virtual int n_vocab() const = 0;
};

// Turns a stream of tokens into a stream of valid UTF-8: bytes that do not yet form a character are held
// back; a broken sequence gives U+FFFD. One per stream; not shared between threads.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  // The text that became complete with this token (maybe empty). Unknown ids give U+FFFD.
  std::string push(Token token);
  // What is left at the end of the stream: U+FFFD for an unfinished character, else empty.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  std::string pending_;
};

// Replaces every maximal ill-formed subsequence by U+FFFD, as the Unicode standard recommends.
std::string to_valid_utf8(std::string_view bytes);

}  // namespace toccata::tokenizer
