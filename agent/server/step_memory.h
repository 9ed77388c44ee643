// What the model really said: lets the history that a client sends back become the very tokens that were sampled.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/token.h"

namespace toccata::server {

// A number for a sequence of tokens, made token by token. Two independent 64-bit hashes, so that two histories that
// differ are not taken for one.
class PrefixHash {
 public:
  void add(std::span<const Token> tokens) {
    for (const Token token : tokens) {
      const auto value = static_cast<std::uint64_t>(token) + 1;
      a_ = (a_ ^ value) * 0x100000001b3ULL;
      b_ = (b_ + value) * 0x9e3779b97f4a7c15ULL;
      b_ ^= b_ >> 29;
      ++n_;
    }
  }
  auto operator<=>(const PrefixHash&) const = default;

 private:
  friend std::string step_key(const PrefixHash& before, std::string_view seen);
  std::uint64_t a_ = 0xcbf29ce484222325ULL, b_ = 0, n_ = 0;
};

// Names a step: 32 bytes of SHA-256 over the tokens before it and `seen`, everything that tells it from others after
// the same tokens. The ledger and sealed boxes hold these keys, so how they are made must not change.
std::string step_key(const PrefixHash& before, std::string_view seen);

// 64 hexadecimal digits of SHA-256.
std::string text_hash(std::string_view text);

// Key -> the step's tokens. A client that changes its history, or leaves some of it out, finds nothing, and its history
// is rendered. Any thread.
class StepMemory {
 public:
  using Deeper = std::function<std::optional<Tokens>(const std::string& key)>;
  explicit StepMemory(Deeper deeper = {}, std::size_t tokens_max = std::size_t{4} << 20)
      : deeper_(std::move(deeper)), tokens_max_(tokens_max) {}

  void remember(const std::string& key, Tokens tokens);
  // Asks `deeper` for what was forgotten, if it may.
  std::optional<Tokens> recall(const std::string& key, bool may_ask = true);

 private:
  struct Entry {
    Tokens tokens;
    std::list<const std::string*>::iterator age;
  };
  const Deeper deeper_;
  const std::size_t tokens_max_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::list<const std::string*> ages_;  // latest first
  std::size_t n_tokens_ = 0;
};

}  // namespace toccata::server
