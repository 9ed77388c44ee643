// Finite automata over 32-bit symbols: code points for strings, bytes for numbers and literals.
//
// Every Dfa is trimmed: from each state some accepting state can be reached. "There is a transition" therefore means
// "this can still be finished", which is what keeps masks free of dead ends.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace toccata::grammar {

using Symbol = std::uint32_t;
inline constexpr Symbol kLastSymbol = 0x10FFFF;
inline constexpr std::int32_t kDead = -1;

struct Edge {
  Symbol low, high;  // inclusive
  std::int32_t to;
};

// State 0 is the start; no states: the empty language. Immutable once built.
class Dfa {
 public:
  int size() const { return static_cast<int>(tags_.size()); }
  bool empty() const { return tags_.empty(); }
  // The next state or kDead.
  std::int32_t step(std::int32_t state, Symbol symbol) const;
  // Ascending, not overlapping.
  std::span<const Edge> edges(std::int32_t state) const {
    return std::span(edges_).subspan(first_[state], first_[state + 1] - first_[state]);
  }
  // -1: not accepting; else what was accepted (0 where there is one kind only).
  std::int32_t tag(std::int32_t state) const { return tags_[state]; }
  bool accepting(std::int32_t state) const { return tags_[state] >= 0; }
  // Accepts whatever follows, with one tag.
  bool universal(std::int32_t state) const;
  // Whether it accepts these symbols.
  bool accepts(std::span<const Symbol> word) const;
  // Lengths of the shortest and longest accepted words; nullopt: no longest. Requires !empty().
  int shortest() const;
  std::optional<int> longest() const;

  // Every word over all symbols.
  static Dfa everything();
  // Word i is accepted with tag i; of equal words the first counts. `other`: tag of every other word, or -1.
  static Dfa words(const std::vector<std::vector<Symbol>>& words, std::int32_t other = -1);

 private:
  friend class DfaBuilder;
  std::vector<std::uint32_t> first_;  // [size + 1] into edges_
  std::vector<Edge> edges_;
  std::vector<std::int32_t> tags_;  // [size]
};

// Adds states one by one, then trims.
class DfaBuilder {
 public:
  // Returns the id of a new state without edges.
  int add(std::int32_t tag = -1);
  void set_tag(int state, std::int32_t tag) { tags_[state] = tag; }
  // Edges of a state must not overlap; any order.
  void edge(int from, Symbol low, Symbol high, int to) { edges_[from].push_back({low, high, to}); }
  int size() const { return static_cast<int>(tags_.size()); }
  Dfa build();

 private:
  std::vector<std::vector<Edge>> edges_;
  std::vector<std::int32_t> tags_;
};

// Runs automata side by side. `tag_of` gets the state of each (kDead: it has fallen out) and says what is accepted there;
// `alive` prunes. nullopt: more than `n_states_max` states.
using StateTuple = std::span<const std::int32_t>;
std::optional<Dfa> product(
    const std::vector<const Dfa*>& parts,
    const std::function<std::int32_t(StateTuple)>& tag_of,
    const std::function<bool(StateTuple)>& alive,
    int n_states_max
);
std::optional<Dfa> intersection(const Dfa& a, const Dfa& b, int n_states_max);
// Words of `a` with min..max symbols.
std::optional<Dfa> with_length(const Dfa& a, std::int64_t min, std::int64_t max, int n_states_max);

// A nondeterministic automaton with the two anchors of regular expressions.
class Nfa {
 public:
  int add();
  void edge(int from, Symbol low, Symbol high, int to) { nodes_[from].edges.push_back({low, high, to}); }
  void epsilon(int from, int to) { nodes_[from].epsilon.push_back(to); }
  void at_begin(int from, int to) { nodes_[from].begin.push_back(to); }
  void at_end(int from, int to) { nodes_[from].end.push_back(to); }
  int size() const { return static_cast<int>(nodes_.size()); }
  // The words that lead from `start` to `accept`. nullopt: more than `n_states_max` states.
  std::optional<Dfa> determinise(int start, int accept, int n_states_max) const;

 private:
  struct Node {
    std::vector<Edge> edges;
    std::vector<int> epsilon, begin, end;
  };
  void close(std::vector<int>& set, bool at_begin, bool at_end, std::vector<char>& seen) const;
  std::vector<Node> nodes_;
};

// UTF-8 to code points; a byte that is not UTF-8 becomes U+FFFD.
std::vector<Symbol> code_points(std::string_view text);

}  // namespace toccata::grammar
