#include "core/tokenizer/tokenizer.h"
#include "core/tokenizer/utf8.h"

namespace toccata::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Moves what is decided of `bytes` to `out`, ill-formed parts as U+FFFD, and returns how many bytes that
// took: all, or all but an unfinished character at the end.
std::size_t append_decided(std::string_view bytes, std::string& out) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Utf8Char c = read_utf8(bytes.substr(at));
    if (c.status == Utf8Status::kTruncated) break;
    if (c.status == Utf8Status::kValid) {
      out.append(bytes.substr(at, c.length));
    } else {
      out.append(kReplacement);
    }
    at += c.length;
  }
  return at;
}

}  // namespace

std::string StreamDecoder::push(Token token) {
  const auto bytes = tokenizer_->token_bytes(token);
  if (!bytes) return finish().append(kReplacement);
  pending_.append(*bytes);
  std::string text;
  pending_.erase(0, append_decided(pending_, text));
  return text;
}

std::string StreamDecoder::finish() {
  const bool unfinished = !pending_.empty();
  pending_.clear();
  return std::string(unfinished ? kReplacement : "");
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  if (append_decided(bytes, text) < bytes.size()) text.append(kReplacement);
  return text;
}

}  // namespace toccata::tokenizer
