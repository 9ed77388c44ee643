// Runs a grammar byte by byte.
//
// A thread is one reading of the bytes so far: where in the current lexeme or between which, and the objects and arrays
// that are open around it. Frames are shared and never change, so a thread is five numbers and equal threads are equal
// numbers. A byte turns a thread into none, one, or (where alternatives of a schema begin alike) several.
//
// White space: one space, or a line end and up to 32 blanks, after `{ [ ,` and before `} ]`; one space after `:`.
// Nothing around the value.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/grammar/grammar.h"
#include "core/grammar/lexeme_states.h"

namespace toccata::grammar {

enum class Phase : std::int32_t {
  kValue,        // a = node, b = 1 after a colon
  kLexeme,       // a = lexeme, b = its state, n = characters so far
  kKey,          // b = state of the key
  kColon,        // a = node of the value
  kObjectOpen,   // n = white space so far
  kObjectComma,
  kObjectAfter,
  kArrayOpen,
  kArrayComma,
  kArrayAfter,
  kDone,
};

struct Thread {
  std::int32_t frame = 0;
  Phase phase = Phase::kValue;
  std::int32_t a = 0, b = 0;
  std::int32_t n = 0;
  friend bool operator==(const Thread&, const Thread&) = default;
};

// One thread (of the processor) at a time. The grammar must outlive it.
class Machine {
 public:
  explicit Machine(const Grammar& grammar);

  Thread start() const { return {0, Phase::kValue, grammar_.root, 0, 0}; }
  // Appends what `thread` becomes.
  void step(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out);
  bool may_end(const Thread& thread);
  // What a string thread becomes at its closing quote, whatever its length so far.
  void close_string(const Thread& thread, std::vector<Thread>& out);

  const Grammar& grammar() const { return grammar_; }
  // The automaton a thread in kLexeme or kKey is in.
  LexemeStates& states_of(const Thread& thread);
  const Dfa& key_dfa(const Thread& thread) const { return grammar_.objects[frames_[thread.frame].index].keys; }
  // kKey: whether the state leads to a key that may still come.
  bool key_is_open(const Thread& thread, std::int32_t state);
  // Inside a string or key, between two characters: no character can lead astray.
  bool takes_any_character(const Thread& thread);

 private:
  struct Frame {
    std::int32_t parent = -1;
    enum class Type : std::int32_t { kBottom, kObject, kArray } type = Type::kBottom;
    std::int32_t index = 0;  // of the type
    std::int32_t seen = 0;   // object: which declared keys, an entry of seen_sets_
    std::int32_t count = 0;  // object: keys so far; array: items so far; both no higher than it matters
    std::int32_t others = 0;  // object: 1 when an undeclared key was there
    friend bool operator==(const Frame&, const Frame&) = default;
  };
  struct FrameHash {
    std::size_t operator()(const Frame& f) const;
  };
  struct BitsHash {
    std::size_t operator()(const Bits& bits) const;
  };

  std::int32_t frame(const Frame& frame);
  std::int32_t seen_set(const Bits& bits);
  LexemeStates& lexeme(int index);
  LexemeStates& keys(int object);
  void begin_value(std::int32_t frame, int node, std::uint8_t byte, std::vector<Thread>& out);
  void value_done(std::int32_t frame, std::vector<Thread>& out);
  void step_lexeme(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out);
  void step_key(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out);
  void key_done(const Thread& thread, std::vector<Thread>& out);
  void step_object(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out);
  void step_array(const Thread& thread, std::uint8_t byte, std::vector<Thread>& out);
  // The keys that may come next in an object's frame.
  const Bits& allowed(std::int32_t frame);
  bool may_close_object(const Frame& frame) const;
  int item_node(const Frame& frame) const;

  const Grammar& grammar_;
  std::vector<std::unique_ptr<LexemeStates>> lexemes_, keys_;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, std::int32_t, FrameHash> frame_ids_;
  std::vector<Bits> seen_sets_;
  std::unordered_map<Bits, std::int32_t, BitsHash> seen_ids_;
  std::unordered_map<std::int32_t, Bits> allowed_;  // by frame
};

}  // namespace toccata::grammar
