// Keeps a growing text inside a grammar: which tokens may come next, and what became of the ones that came.
//
//   Matcher matcher(grammar, trie);
//   while (!done) {
//     const TokenMask& mask = matcher.mask();      // one bit a token; control tokens are never set
//     ...draw a token the mask allows, or an end token of your own when matcher.at_end()...
//     matcher.accept(token);
//   }
//
// The mask is exact: a bit is set if and only if accept() takes the token. It is never empty before the end, and from
// every state the end can be reached. Where a token ends the text is the caller's business: at_end() says when it may.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/grammar/machine.h"
#include "core/grammar/token_trie.h"

namespace toccata::grammar {

// One thread at a time.
class Matcher {
 public:
  Matcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie);

  // Takes the token, or returns false and changes nothing.
  bool accept(Token token);
  bool accept_text(std::string_view bytes);
  // Whether accept() would take it.
  bool allows(Token token);
  // Takes back the last n accepted tokens (or texts). Requires n <= n_accepted().
  void rollback(int n);
  int n_accepted() const { return static_cast<int>(history_.size()) - 1; }

  // Whether the text may end here.
  bool at_end();
  // Whether it must.
  bool must_end();
  // Valid until the next call.
  const TokenMask& mask();
  // The bytes that must come next, whatever is chosen: "" where there is a choice, or where the text may end. That a
  // character of a string could be escaped is no choice.
  std::string forced_text(std::size_t n_max = 256);

  const TokenTrie& trie() const { return *trie_; }
  // Masks made and masks found ready.
  struct Counters {
    std::int64_t made = 0, cached = 0;
  };
  const Counters& counters() const { return counters_; }
  // Most masks kept, 25 KB each with o200k.
  static constexpr std::size_t kMasksMax = 48;

 private:
  using Threads = std::vector<Thread>;
  static constexpr std::size_t kThreadsMax = 256;

  void step(const Threads& from, std::uint8_t byte, Threads& to);
  bool run(std::string_view bytes, Threads& threads);
  // The one byte that may follow `now`, and where it leads; nullopt: none or several.
  std::optional<std::uint8_t> only_byte(const Threads& now, Threads& next);
  bool escapes_only(const Threads& now, std::uint8_t character);
  const TokenMask& mask_of(const Thread& thread);
  void make_mask(const Thread& thread, TokenMask& mask);
  bool string_mask(const Thread& thread, TokenMask& mask);
  void closers_mask(const Thread& thread, TokenMask& mask);
  // Sets the tokens of `trie` that `start` can take.
  void walk(const Trie& trie, const Thread& start, TokenMask& mask);
  template <class Found>
  void walk_each(const Trie& trie, const Threads& start, Found found);
  // From all safe tokens, clears those that leave the string's automaton.
  void subtract(const Thread& start, TokenMask& mask);

  struct KeyHash {
    std::size_t operator()(const Thread& t) const;
  };
  struct Cached {
    Thread key;
    TokenMask mask;
  };
  // A node of the trie's current path.
  struct Level {
    std::uint32_t end;    // of the node's subtree
    std::uint32_t first;  // its threads in buffer_
  };
  Thread cache_key(const Thread& thread) const;

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  Machine machine_;
  std::vector<Threads> history_;  // history_.back(): now
  std::list<Cached> masks_;       // latest first
  std::unordered_map<Thread, std::list<Cached>::iterator, KeyHash> mask_of_;
  TokenMask united_;
  Threads scratch_, buffer_;
  std::vector<Level> levels_;
  Counters counters_;
};

// Whether the whole of `text` is in the grammar.
bool matches(std::shared_ptr<const Grammar> grammar, std::string_view text);

}  // namespace toccata::grammar
