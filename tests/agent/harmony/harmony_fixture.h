// What the harmony tests share: the real vocabulary, and the `dev` interfaces asked in-process.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "agent/cli/dev_parse.h"
#include "agent/cli/dev_render.h"
#include "agent/harmony/parser.h"
#include "agent/harmony/renderer.h"
#include "core/base/json.h"

namespace toccata::harmony {

using nlohmann::ordered_json;

inline const Renderer& renderer() {
  static const Renderer instance = Renderer::make(tokenizer::Tokenizer::o200k_harmony()).value_or_throw();
  return instance;
}

// Control spellings become control tokens.
inline Tokens ids(std::string_view text) { return renderer().tokenizer().encode(text, tokenizer::Specials::kAll); }
// Ids back to text, control tokens spelled out.
inline std::string spelled(const Tokens& tokens) { return renderer().tokenizer().decode_bytes(tokens).value_or_throw(); }

inline ordered_json ask_parse(const ordered_json& request, bool strict = false) {
  std::istringstream in(json_text(request) + "\n");
  std::ostringstream out;
  cli::DevParseOptions options;
  options.strict = strict;
  EXPECT_EQ(cli::dev_parse(options, in, out), 0);
  return json_from_valid<ordered_json>(out.str()).at("result");
}

inline ordered_json ask_render(const ordered_json& request) {
  std::istringstream in(json_text(request) + "\n");
  std::ostringstream out;
  EXPECT_EQ(cli::dev_render(cli::DevRenderOptions{}, in, out), 0);
  return json_from_valid<ordered_json>(out.str()).at("result");
}

// All events of a stream, the lenient way.
inline std::vector<ParseEvent> events_of(const Tokens& tokens, ParserOptions options = {}) {
  Parser parser(renderer(), std::move(options));
  std::vector<ParseEvent> events;
  for (const Token token : tokens) parser.push(token, events).value_or_throw();
  parser.finish(events).value_or_throw();
  return events;
}

inline std::vector<Message> messages_of(const std::vector<ParseEvent>& events) {
  std::vector<Message> messages;
  for (const ParseEvent& event : events) {
    if (const auto* done = std::get_if<MessageDone>(&event)) messages.push_back(done->message);
  }
  return messages;
}

}  // namespace toccata::harmony
