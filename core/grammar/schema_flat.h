// A schema without references and combinators: a value meets the schema when it meets one of its Flats. Not for users.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/grammar/grammar.h"
#include "core/grammar/number.h"
#include "core/grammar/schema.h"
#include "core/grammar/schema_refs.h"

namespace toccata::grammar {

// Kinds of values. A whole number is kInteger, whatever its type says; "number" is both.
enum : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,
  kStringType = 16,
  kObject = 32,
  kArray = 64,
  kAllTypes = 127
};
unsigned type_of(const Json& value);

// Subschemas that must all hold; sorted, no duplicates. Pointers into the document (or to the two constants).
using All = std::vector<const Json*>;

// One schema object's say about properties; null where it says nothing.
struct ObjectPart {
  const Json* properties = nullptr;
  const Json* patterns = nullptr;
  const Json* others = nullptr;  // additionalProperties
};
struct ArrayPart {
  const Json* prefix = nullptr;  // a list
  const Json* items = nullptr;   // of the others
};

struct Flat {
  unsigned types = kAllTypes;
  std::optional<std::vector<Json>> values;  // enum, const
  std::vector<Json> not_values;
  std::int64_t length_min = 0, length_max = kUnlimited;
  std::vector<const Json*> patterns, formats;  // the schemas that have the keyword
  NumberRange range;
  std::vector<std::int64_t> divisors;
  std::vector<ObjectPart> objects;
  std::vector<ArrayPart> arrays;
  std::vector<const Json*> names;  // propertyNames
  std::set<std::string> required;
  std::vector<std::pair<std::string, std::string>> needs;  // with the first, the second
  std::int64_t properties_min = 0, properties_max = kUnlimited;
  std::int64_t items_min = 0, items_max = kUnlimited;
  const Json* where = nullptr;
};

// Resolves and flattens; memoises the automata of patterns. One document, one Flattener.
class Flattener {
 public:
  Flattener(const Json& document, const SchemaLimits& limits);

  // The alternatives of `all`; none when nothing satisfies it.
  std::vector<Flat> expand(const All& all);

  // The characters a string of this Flat may have; nullptr: any (then the lengths count). Throws Refusal.
  std::shared_ptr<const Dfa> string_dfa(const Flat& flat);
  // The automaton of a whole-string match of `pattern` as JSON Schema searches it.
  std::shared_ptr<const Dfa> pattern_dfa(const Json& pattern, const Json* owner, const char* keyword);
  // Of the integers and the numbers that are allowed; empty when none is.
  std::shared_ptr<const Dfa> number_dfa_of(const Flat& flat);

  // What must hold for the value of a property of one Flat.
  All property(const Flat& flat, const std::string& name);
  const SchemaLimits& limits() const { return limits_; }

 private:
  std::vector<Flat> expand_one(const Json& schema, int depth);
  Flat base(const Json& schema);
  void read_strings(const Json& schema, Flat& flat);
  void read_numbers(const Json& schema, Flat& flat);
  void read_objects(const Json& schema, Flat& flat);
  void read_arrays(const Json& schema, Flat& flat);
  std::vector<Flat> cross(const std::vector<Flat>& a, const std::vector<Flat>& b, const char* keyword, const Json& at);
  void close_object(Flat& flat) const;
  static std::optional<Flat> merge(const Flat& a, const Flat& b);
  std::vector<Flat> negate(const Json& schema, const Json& owner, int depth);
  void check_one_of(const std::vector<std::vector<Flat>>& alternatives, const Json& at);
  bool exclusive(const Flat& a, const Flat& b, int depth);
  bool objects_exclusive(const Flat& a, const Flat& b, int depth);

  const References references_;
  const SchemaLimits limits_;
  std::unordered_map<std::string, std::shared_ptr<const Dfa>> patterns_;
  std::vector<std::unique_ptr<Json>> made_;  // schemas that stand nowhere in the document
};

}  // namespace toccata::grammar
