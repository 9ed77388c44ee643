// A message's header, from the pieces between `<|start|>` and `<|message|>` to role, channel, recipient and type.
// Rules: openai/harmony src/encoding.rs (strict); what models get wrong, and how it is mended, in header.cpp (lenient).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/harmony/message.h"
#include "core/base/error.h"

namespace toccata::harmony {

// Text of a header after the control token that introduced it.
struct HeaderPiece {
  enum class Kind { kStart, kChannel, kConstrain } kind = Kind::kStart;
  std::string text;
};

struct Header {
  Role role = Role::kAssistant;
  std::optional<std::string> name, channel, recipient, content_type;
  std::vector<std::string> warnings;
};

// The reference's reading of the header's text (valid UTF-8), control tokens spelled out; its errors in its words.
Result<Header> read_header_strict(std::string_view text, std::optional<Role> role);

// Never fails. `role`: the prompt gave it. `tools`: declared recipients, see ParserOptions.
Header read_header(
    const std::vector<HeaderPiece>& pieces, std::optional<Role> role, const std::vector<std::string>& tools
);

// A header that ended without `<|message|>`: what can be told is taken off its front, the rest, verbatim, is content.
struct HeaderAndContent {
  Header header;
  std::string content;
};
HeaderAndContent split_header(const std::vector<HeaderPiece>& pieces, std::optional<Role> role);

// Whether the stream ended inside the header itself, in the middle of a role, channel, recipient or type.
bool is_unfinished(const std::vector<HeaderPiece>& pieces, std::optional<Role> role);

// Without Unicode spaces, zero-width and control characters: what is left of a name a model decorated.
std::string clean_name(std::string_view name);

}  // namespace toccata::harmony
