// Random walks through masks, for tests and for the soundness script.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/grammar/matcher.h"

namespace toccata::grammar {

struct Walk {
  std::string text;
  bool empty_mask = false;  // a dead end
  bool finished = false;
};

enum class Draw { kUniform, kBigram };

// A toy model: what follows a byte class prefers letters after letters, closers after quotes; anything is possible.
inline double bigram_weight(char last, std::string_view next) {
  const auto letter = [](char c) { return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == ' '; };
  double weight = next.size() == 1 ? 4.0 : 1.0;
  if (letter(last) && letter(next[0])) weight *= 6;
  if (last == '"' && (next[0] == ',' || next[0] == ':' || next[0] == '}')) weight *= 50;
  if (next[0] == '"') weight *= letter(last) ? 300 : 30;
  if (static_cast<unsigned char>(next[0]) >= 0x80) weight *= 0.1;
  return weight;
}

// Draws from the mask up to `n_free` tokens, then makes for the end; `keys` ("\"name\":") are tried first then, so that
// required properties come.
inline Walk walk(
    Matcher& matcher, std::mt19937_64& random, Draw draw, int n_free, int n_max = 600, const std::vector<std::string>& keys = {}
) {
  Walk out;
  const TokenTrie& trie = matcher.trie();
  std::vector<Token> allowed;
  std::vector<double> weights;
  for (int n = 0; n < n_max; ++n) {
    const bool ending = n >= n_free;
    if (matcher.at_end() && (ending || random() % 2 == 0)) {
      out.finished = true;
      break;
    }
    bool took_key = false;
    for (std::size_t i = 0; ending && !took_key && i < keys.size(); ++i) {
      const std::string& key = keys[(i + static_cast<std::size_t>(n)) % keys.size()];
      took_key = matcher.accept_text(key);
      if (took_key) out.text += key;
    }
    if (took_key) continue;
    const TokenMask& mask = matcher.mask();
    allowed.clear();
    for (std::size_t word = 0; word < mask.size(); ++word) {
      for (std::uint32_t bits = mask[word]; bits != 0; bits &= bits - 1) {
        allowed.push_back(static_cast<Token>(word * 32 + static_cast<std::size_t>(__builtin_ctz(bits))));
      }
    }
    if (allowed.empty()) {
      out.finished = matcher.at_end();
      out.empty_mask = !out.finished;
      break;
    }
    Token token = allowed[random() % allowed.size()];
    if (ending) {  // a short token that closes something, else any short one
      int best = 1 << 20;
      for (const Token t : allowed) {
        const std::string& bytes = trie.bytes(t);
        int cost = static_cast<int>(bytes.size()) * 4 + static_cast<int>(random() % 4);
        if (bytes[0] == '"' || bytes[0] == '}' || bytes[0] == ']') cost -= 20;
        if (bytes[0] == ',' || bytes[0] == ' ' || bytes[0] == '\n' || bytes[0] == '{' || bytes[0] == '[') cost += 20;
        if (cost < best) {
          best = cost;
          token = t;
        }
      }
    } else if (draw == Draw::kBigram) {
      weights.clear();
      const char last = out.text.empty() ? ' ' : out.text.back();
      for (const Token t : allowed) weights.push_back(bigram_weight(last, trie.bytes(t)));
      token = allowed[std::discrete_distribution<std::size_t>(weights.begin(), weights.end())(random)];
    }
    if (!matcher.accept(token)) {
      out.empty_mask = true;  // the mask lied
      break;
    }
    out.text += trie.bytes(token);
  }
  return out;
}

}  // namespace toccata::grammar
