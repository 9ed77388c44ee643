#include "agent/model/completion_chunk.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "core/base/json.h"

namespace toccata::agent {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kExcerptBytes = 500;
constexpr std::string_view kIdPrefix = "token_id:";

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::optional<Token> token_from(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  const auto id = value.get<std::int64_t>();
  if (id < 0 || id > 0x7fffffff) return std::nullopt;
  return static_cast<Token>(id);
}

float logprob_from(const Json& value) { return value.is_number() ? value.get<float>() : 0.0F; }

std::vector<Sampled> from_id_list(const Json& ids, const Json& logprobs) {
  std::vector<Sampled> tokens;
  const Json& values = member(logprobs, "token_logprobs");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::optional<Token> id = token_from(ids[i]);
    if (!id) return {};
    const bool known = values.is_array() && values.size() == ids.size();
    tokens.push_back({*id, known ? logprob_from(values[i]) : 0.0F});
  }
  return tokens;
}

// llama-server: {"content": [{"id", "token", "bytes", "logprob", ...}]}.
std::vector<Sampled> from_content(const Json& content) {
  std::vector<Sampled> tokens;
  for (const Json& entry : content) {
    const std::optional<Token> id = token_from(member(entry, "id"));
    if (!id) return {};
    tokens.push_back({*id, logprob_from(member(entry, "logprob"))});
  }
  return tokens;
}

// Older vLLM: {"tokens": ["token_id:200005", ...], "token_logprobs": [...]}.
std::vector<Sampled> from_id_texts(const Json& logprobs) {
  Json ids = Json::array();
  for (const Json& text : member(logprobs, "tokens")) {
    if (!text.is_string()) return {};
    const auto& spelled = text.get_ref<const std::string&>();
    if (!spelled.starts_with(kIdPrefix)) return {};
    int id = 0;
    const char* first = spelled.data() + kIdPrefix.size();
    if (std::from_chars(first, spelled.data() + spelled.size(), id).ec != std::errc()) return {};
    ids.push_back(id);
  }
  return from_id_list(ids, logprobs);
}

// llama-server sends no event for a token that ends inside a character; the text of the next event holds its bytes as
// well. They are encoded again and put before the id that did come.
void restore_held_back(CompletionChunk& chunk, const tokenizer::Tokenizer& tokenizer) {
  if (chunk.tokens.size() != 1 || tokenizer.is_special(chunk.tokens[0].token)) return;
  const auto bytes = tokenizer.token_bytes(chunk.tokens[0].token);
  if (!bytes || bytes->empty() || chunk.text.size() <= bytes->size()) return;
  if (!chunk.text.ends_with(*bytes)) return;
  const auto missing = std::string_view(chunk.text).substr(0, chunk.text.size() - bytes->size());
  std::vector<Sampled> tokens;
  for (const Token token : tokenizer.encode(missing)) tokens.push_back({token, 0.0F});
  chunk.tokens.insert(chunk.tokens.begin(), tokens.begin(), tokens.end());
}

void read_tokens(
    const Json& event,
    const Json& choice,
    CompletionChunk& chunk,
    const tokenizer::Tokenizer& tokenizer
) {
  const Json& logprobs = member(choice, "logprobs");
  for (const Json* ids :
       {&member(choice, "token_ids"), &member(choice, "tokens"), &member(event, "tokens")}) {
    if (!ids->is_array()) continue;
    chunk.tokens = from_id_list(*ids, logprobs);
    if (chunk.tokens.size() == ids->size() && (chunk.text.empty() || !chunk.tokens.empty())) return;
  }
  const Json& content = member(logprobs, "content");
  if (content.is_array()) chunk.tokens = from_content(content);
  if (chunk.tokens.empty() && member(logprobs, "tokens").is_array()) {
    chunk.tokens = from_id_texts(logprobs);
  }
  if (!chunk.tokens.empty()) {
    restore_held_back(chunk, tokenizer);
    return;
  }
  chunk.from_text = !chunk.text.empty();
  for (const Token token : tokenizer.encode(chunk.text, tokenizer::Specials::kAll)) {
    chunk.tokens.push_back({token, 0.0F});
  }
}

void read_end(const Json& choice, CompletionChunk& chunk) {
  const Json& reason = member(choice, "finish_reason");
  if (!reason.is_string()) return;
  chunk.finished = true;
  chunk.at_limit = reason == "length";
  chunk.stop_token = token_from(member(choice, "stop_reason"));
}

}  // namespace

std::string error_excerpt(std::string_view body) {
  const Json json = json_from<Json>(body);
  const Json& error = json.is_object() && json.contains("error") ? json["error"] : json;
  const Json& message = member(error, "message");
  std::string text = message.is_string() ? message.get<std::string>()
                     : error.is_string() ? error.get<std::string>()
                                         : std::string(body.substr(0, 4 * kExcerptBytes));
  text = tokenizer::to_valid_utf8(text.substr(0, kExcerptBytes));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

Result<CompletionChunk> parse_completion_chunk(
    std::string_view json, const tokenizer::Tokenizer& tokenizer
) {
  const Json event = json_from<Json>(json);
  if (!event.is_object()) {
    return Error{
        ErrorCode::kCorrupt, "the server sent an event that is not JSON: " + error_excerpt(json)};
  }
  if (const Json& error = member(event, "error"); !error.is_null()) {
    return Error{ErrorCode::kUnavailable, "the server reports: " + error_excerpt(json)};
  }
  CompletionChunk chunk;
  const Json& choices = member(event, "choices");
  if (!choices.is_array() || choices.empty()) return chunk;  // usage, progress
  const Json& choice = choices[0];
  if (const Json& text = member(choice, "text"); text.is_string()) chunk.text = text;
  read_tokens(event, choice, chunk, tokenizer);
  read_end(choice, chunk);
  return chunk;
}

}  // namespace toccata::agent
