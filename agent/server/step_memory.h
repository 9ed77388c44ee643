// What the model really said: lets the history that a client sends back become the very tokens that were sampled.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>

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
  std::uint64_t a_ = 0xcbf29ce484222325ULL, b_ = 0, n_ = 0;
};

// (tokens before, what the client saw of the step) -> the step's tokens. A client that changes its history, or leaves
// some of it out, finds nothing, and its history is rendered. Any thread.
class StepMemory {
 public:
  explicit StepMemory(std::size_t tokens_max = std::size_t{4} << 20) : tokens_max_(tokens_max) {}

  // `seen`: everything that tells this step from others after the same tokens.
  void remember(const PrefixHash& before, std::string seen, Tokens tokens);
  std::optional<Tokens> recall(const PrefixHash& before, const std::string& seen);

 private:
  using Key = std::pair<PrefixHash, std::string>;
  struct Entry {
    Tokens tokens;
    std::list<const Key*>::iterator age;
  };
  const std::size_t tokens_max_;
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::list<const Key*> ages_;  // latest first
  std::size_t n_tokens_ = 0;
};

}  // namespace toccata::server
