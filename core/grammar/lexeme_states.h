// A lexeme's automaton over bytes, made state by state as bytes are asked for.
//
// A JSON string's character may be written raw in UTF-8 or escaped (\n, \u00e9, \ud83d\ude00): all are one step of the
// character automaton, and a state in between remembers which characters are still possible.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/grammar/grammar.h"

namespace toccata::grammar {

class LexemeStates {
 public:
  static constexpr std::int32_t kNone = -1;   // no such byte here
  static constexpr std::int32_t kEnded = -2;  // the closing quote of a string

  // `dfa` must outlive it.
  LexemeStates(Lexeme::Form form, const Dfa& dfa);

  std::int32_t start() const { return start_; }
  // For strings: the state behind the opening quote.
  std::int32_t inside() { return state(0, Kind::kChar, 0, 0, 0); }
  std::int32_t step(std::int32_t state, std::uint8_t byte) {
    std::int32_t& next = (*rows_[state])[byte];
    return next != kUnknown ? next : fill(state, byte);
  }
  // Between two characters: the place where characters are counted.
  bool at_character(std::int32_t state) const { return infos_[state].kind == Kind::kChar; }
  // State of the character automaton; where at_character().
  std::int32_t character_state(std::int32_t state) const { return infos_[state].q; }
  // kBytes, kText: whether it may end here.
  bool may_end(std::int32_t state) const {
    return infos_[state].kind == Kind::kChar && dfa_.accepting(infos_[state].q);
  }
  // What a string that is closed here was accepted as; -1: it may not be closed.
  std::int32_t tag(std::int32_t state) const { return dfa_.tag(infos_[state].q); }

  // Whether a word with a tag among `allowed` can still be reached.
  bool reaches(std::int32_t state, const Bits& allowed);
  // Every whole character leads to one and the same accepting end state.
  bool accepts_anything(std::int32_t state) const;
  // Between two characters: whatever characters come, a word can still be reached; one with a tag among `allowed`, when
  // that is given.
  bool never_fails(std::int32_t state, const Bits* allowed);

 private:
  static constexpr std::int32_t kUnknown = -3;
  enum class Kind : std::uint8_t { kStart, kChar, kUtf8, kEscape, kHex, kLowBackslash, kLowU, kLowHex };
  struct Info {
    std::int32_t q;
    Kind kind;
    std::uint8_t n;      // continuation bytes or hexadecimal digits to come
    Symbol low, high;    // kUtf8: the characters still possible; kHex, kLowHex: low = digits so far
    Symbol lead;         // kLow*: the leading surrogate
  };
  std::int32_t state(std::int32_t q, Kind kind, std::uint8_t n, Symbol low, Symbol high, Symbol lead = 0);
  std::int32_t fill(std::int32_t from, std::uint8_t byte);
  std::int32_t next(const Info& info, std::uint8_t byte);
  std::int32_t character(const Info& info, std::uint8_t byte);
  std::int32_t after_character(std::int32_t q, Symbol symbol);
  std::int32_t narrowed(std::int32_t q, std::uint8_t n, Symbol low, Symbol high);
  std::int32_t escape(std::int32_t q, std::uint8_t byte);
  std::int32_t hex(const Info& info, std::uint8_t byte);
  bool any(std::int32_t q, Symbol low, Symbol high, const Bits* allowed) const;
  bool any_of(const Info& info, const Bits* allowed) const;
  void compute_reach();
  void compute_lasting();

  struct KeyHash {
    std::size_t operator()(const std::array<std::uint32_t, 5>& key) const {
      std::uint64_t hash = 0;
      for (const std::uint32_t part : key) hash = (hash ^ part) * 0x9E3779B97F4A7C15U + (hash >> 29);
      return hash;
    }
  };
  Lexeme::Form form_;
  const Dfa& dfa_;
  std::int32_t start_ = 0;
  std::vector<Info> infos_;
  using Row = std::array<std::int32_t, 256>;
  std::vector<std::unique_ptr<Row>> rows_;  // apart, so that growing does not copy them
  std::unordered_map<std::array<std::uint32_t, 5>, std::int32_t, KeyHash> ids_;
  std::vector<Bits> reach_;  // [character state] tags that can be reached
  // [character state] whether every word leads on from here, and the tags that can be reached behind each of them.
  std::vector<char> lasts_;
  std::vector<Bits> lasting_tags_;
};

}  // namespace toccata::grammar
