#include "agent/cli/dev_encode.h"

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/cli/json_lines.h"
#include "core/base/json.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::cli {
namespace {

using nlohmann::ordered_json;
using tokenizer::Specials;
using tokenizer::Tokenizer;

std::shared_ptr<const Tokenizer> open_tokenizer(const std::filesystem::path& file) {
  if (file.empty()) return Tokenizer::o200k_harmony();
  return Tokenizer::from_hf_file(file).value_or_throw();
}

[[noreturn]] void bad_request(const std::string& message) {
  throw Exception(ErrorCode::kInvalidArgument, message);
}

Specials allowed_specials(const ordered_json& request) {
  const std::string allowed = request.value("allowed_special", "none");
  if (allowed == "all") return Specials::kAll;
  if (allowed == "none") return Specials::kNone;
  bad_request("\"allowed_special\" is \"" + allowed + "\", expected \"all\" or \"none\"");
}

ordered_json encode(const Tokenizer& tokenizer, const ordered_json& request) {
  const auto text = request.find("text");
  if (text == request.end() || !text->is_string()) bad_request("expected a string \"text\"");
  const auto& bytes = text->get_ref<const std::string&>();
  return {{"tokens", tokenizer.encode(bytes, allowed_specials(request))}};
}

Tokens requested_tokens(const ordered_json& request) {
  const auto list = request.find("tokens");
  if (list == request.end() || !list->is_array()) bad_request("expected a list \"tokens\"");
  Tokens tokens;
  for (const ordered_json& id : *list) {
    if (!id.is_number_integer()) bad_request("the token id " + json_text(id) + " is not an integer");
    const auto value = id.get<std::int64_t>();
    if (value < 0 || value > std::numeric_limits<Token>::max()) {
      bad_request("the token id " + json_text(id) + " is outside any vocabulary");
    }
    tokens.push_back(static_cast<Token>(value));
  }
  return tokens;
}

ordered_json decode(const Tokenizer& tokenizer, const ordered_json& request) {
  std::string text = tokenizer.decode_bytes(requested_tokens(request)).value_or_throw();
  if (tokenizer::to_valid_utf8(text) != text) bad_request("the bytes of the tokens are not UTF-8");
  return {{"text", std::move(text)}};
}

}  // namespace

int dev_encode(const DevEncodeOptions& options, std::istream& in, std::ostream& out) {
  const auto tokenizer = open_tokenizer(options.tokenizer);
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    return encode(*tokenizer, request);
  });
}

int dev_decode(const DevDecodeOptions& options, std::istream& in, std::ostream& out) {
  const auto tokenizer = open_tokenizer(options.tokenizer);
  return serve_json_lines(in, out, [&](const ordered_json& request) {
    return decode(*tokenizer, request);
  });
}

}  // namespace toccata::cli
