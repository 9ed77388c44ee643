// What a schema or an expression was compiled to: values made of lexemes, objects and arrays. Immutable; any number of
// Machines on any threads may share one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/grammar/dfa.h"

namespace toccata::grammar {

// A set of small numbers; missing words are zero.
using Bits = std::vector<std::uint64_t>;
inline bool has_bit(const Bits& bits, int i) {
  const auto word = static_cast<std::size_t>(i) / 64;
  return word < bits.size() && (bits[word] >> (i % 64) & 1) != 0;
}
inline void set_bit(Bits& bits, int i) {
  const auto word = static_cast<std::size_t>(i) / 64;
  if (word >= bits.size()) bits.resize(word + 1);
  bits[word] |= std::uint64_t{1} << (i % 64);
}

inline constexpr std::int64_t kUnlimited = INT64_MAX;

struct Lexeme {
  enum class Form {
    kString,  // a JSON string: the automaton reads its characters, however they are escaped
    kBytes,   // numbers and literals: the automaton reads bytes
    kText,    // raw text: the automaton reads characters of UTF-8
  } form = Form::kString;
  std::shared_ptr<const Dfa> dfa;
  std::int64_t length_min = 0, length_max = kUnlimited;  // characters; kString only
};

// The automaton of the keys accepts with a tag: 0 .. n_declared - 1 for the declared names, above it the classes of
// other names. A declared name comes once; properties come in any order.
struct ObjectType {
  Dfa keys;
  int n_declared = 0;
  std::vector<int> value;  // [tag] node, -1: the property can not be there
  Bits usable;             // tags with a value
  Bits required;
  std::vector<Bits> needs;  // [declared] what must be there too; may be empty
  std::int64_t properties_min = 0, properties_max = kUnlimited;
};

struct ArrayType {
  std::vector<int> prefix;  // nodes of the first items
  int items = -1;           // node of the others; -1: none
  std::int64_t items_min = 0, items_max = kUnlimited;
};

// Alternatives; indices into the grammar's lists.
struct Node {
  std::vector<int> lexemes, objects, arrays;
};

struct Grammar {
  std::vector<Node> nodes;
  std::vector<Lexeme> lexemes;
  std::vector<ObjectType> objects;
  std::vector<ArrayType> arrays;
  int root = 0;

  // Text that matches as a whole. Errors of compile_regex().
  static Result<std::shared_ptr<const Grammar>> from_regex(std::string_view pattern);
  // One of these texts.
  static Result<std::shared_ptr<const Grammar>> from_literals(const std::vector<std::string>& literals);
};

}  // namespace toccata::grammar
