#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/token_model.h"
#include "core/base/error.h"
#include "core/base/token.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::agent {

// One event of a streamed `/v1/completions` answer.
struct CompletionChunk {
  std::vector<Sampled> tokens;
  bool from_text = false;  // the server gave no ids; `tokens` is the text, encoded again
  std::string text;
  bool finished = false;            // the server has stopped ...
  bool at_limit = false;            // ... at max_tokens, not at a stop token
  std::optional<Token> stop_token;  // the id it says it stopped at
};

// Reads the JSON of one event (remote_model.h lists where servers put ids). kCorrupt for what is no such event,
// kUnavailable with the server's words for an error event.
Result<CompletionChunk> parse_completion_chunk(
    std::string_view json, const tokenizer::Tokenizer& tokenizer
);

// The server's own words in an error body: its "error.message" or the text itself, cut to something printable.
std::string error_excerpt(std::string_view body);

}  // namespace toccata::agent
