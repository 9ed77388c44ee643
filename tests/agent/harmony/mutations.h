// Mutated completions and what must hold for each of them, however broken. Deterministic by seed.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "agent/harmony/parser.h"

namespace toccata::harmony {

// A stream of pieces, each whole: mutations move and drop pieces. Every marker is a word found nowhere else.
struct MutatedStream {
  Tokens tokens;
  std::vector<std::string> markers;
  std::optional<Role> role;
};

inline MutatedStream mutated_stream(const Renderer& renderer, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  static const std::vector<std::string> kPieces = {
      "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>", "<|endoftext|>",
      "<|reserved_200000|>", "assistant", "user", "tool", "system", "analysis", "commentary", "final", " to=",
      " to=functions.f", " to=python", "json", " json", " code", " ", "\n", "{\"a\":1}", "\u00a0", "\u200b", "é", "💖",
      "functions.f", "assistantassistant", "comment", " to=assistant", " to=all", "{", "[", "?"};
  static const std::vector<std::vector<int>> kShapes = {
      {3, 13, 2, -1, 1}, {0, 9, 3, 15, 2, -1, 5}, {0, 9, 3, 14, 17, 4, 19, 2, 24, 6}, {0, 9, 17, 3, 14, 20, 2, 24, 6},
      {0, 29, 32, 3, 14, 2, -1, 1}, {0, 9, 3, 13, 18, 21, 2, -1, 6}, {-1, 5}, {0, 9, 3, 15, -1, 5}};
  MutatedStream out;
  if (random() % 3 > 0) out.role = Role::kAssistant;
  std::vector<int> pieces;
  for (std::size_t n = 1 + pick(4); n > 0; --n) {
    const auto& shape = kShapes[pick(kShapes.size())];
    pieces.insert(pieces.end(), shape.begin(), shape.end());
  }
  for (std::size_t n = pick(6); n > 0 && !pieces.empty(); --n) {
    const auto at = pieces.begin() + static_cast<std::ptrdiff_t>(pick(pieces.size()));
    switch (random() % 4) {
      case 0: pieces.insert(at, static_cast<int>(pick(kPieces.size()))); break;
      case 1: pieces.erase(at); break;
      case 2: *at = static_cast<int>(pick(kPieces.size())) - 1; break;
      case 3: pieces.insert(at, -2); break;
    }
  }
  if (random() % 8 == 0) pieces.resize(pick(pieces.size() + 1));
  for (const int piece : pieces) {
    if (piece == -2) {  // half a character, or no token at all
      static const Token kOdd[] = {9552, 31446, 244, 300000, 201088};
      out.tokens.push_back(kOdd[pick(5)]);
      continue;
    }
    std::string text;
    if (piece < 0) {
      out.markers.push_back("mk" + std::to_string(1000 + out.markers.size()) + "x");
      text = (random() % 2 == 0 ? " " : "") + out.markers.back() + (random() % 2 == 0 ? " " : "");
    } else {
      text = kPieces[static_cast<std::size_t>(piece)];
    }
    renderer.tokenizer().encode_into(text, tokenizer::Specials::kAll, out.tokens);
  }
  return out;
}

// What broke, or "".
inline std::string check_stream(const Renderer& renderer, const MutatedStream& stream) {
  ParserOptions options;
  options.role = stream.role;
  options.tools = {"functions.f", "python"};
  Parser parser(renderer, options);
  std::vector<ParseEvent> events;
  for (const Token token : stream.tokens) {
    if (!parser.push(token, events)) return "the lenient parser refused a token";
  }
  if (!parser.finish(events)) return "the lenient parser refused the end";

  std::string said, open;
  bool is_open = false;
  std::size_t last_position = 0, n_done = 0;
  for (const ParseEvent& event : events) {
    if (const auto* warning = std::get_if<Warning>(&event)) {
      if (warning->position < last_position || warning->position > stream.tokens.size()) return "a warning out of place";
      last_position = warning->position;
      said += warning->what + "\n";
    } else if (std::holds_alternative<MessageStarted>(event)) {
      if (is_open) return "a message began inside another";
      is_open = true;
      open.clear();
    } else if (const auto* delta = std::get_if<ContentDelta>(&event)) {
      if (!is_open || delta->text.empty()) return "a delta outside of a message, or an empty one";
      if (tokenizer::to_valid_utf8(delta->text) != delta->text) return "a delta with half a character";
      open += delta->text;
    } else if (const auto* done = std::get_if<MessageDone>(&event)) {
      const Message& m = done->message;
      if (!is_open || open != m.text()) return "the deltas are not the text";
      is_open = false;
      ++n_done;
      std::string type = m.content_type.value_or("");
      if (type.starts_with("<|constrain|>")) type.erase(0, 13);
      const std::string all = m.name.value_or("") + "\n" + m.channel.value_or("") + "\n" + m.recipient.value_or("") + "\n" + type + "\n" + m.text();
      if (all.find("<|") != std::string::npos) return "control text in a message: " + all;
      said += all + "\n";
    }
  }
  if (is_open) return "a message was not ended";
  if (n_done != parser.messages().size()) return "messages and events differ";
  for (const std::string& marker : stream.markers) {
    if (said.find(marker) == std::string::npos) return "lost: " + marker + "\nfrom " + said;
  }
  return "";
}

}  // namespace toccata::harmony
