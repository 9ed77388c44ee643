// JSON numbers as automata over bytes.
//
// Defaults against endless literals: 19 digits before the point, 20 behind it, exponents up to 279. A bounded number has
// no exponent and at most 15 significant digits behind its bound's magnitude, so that rounding to a double never moves it
// across the bound.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/grammar/dfa.h"

namespace toccata::grammar {

// An exact decimal number: [-]digits.fraction
struct Decimal {
  bool negative = false;
  std::string digits = "0";  // no leading zeros, but "0"
  std::string fraction;      // no trailing zeros
  bool zero() const { return digits == "0" && fraction.empty(); }
  static Decimal of(const nlohmann::ordered_json& number);  // requires a number
};
// <0, 0, >0
int compare(const Decimal& a, const Decimal& b);

struct Bound {
  Decimal value;
  bool inclusive = true;
};

struct NumberRange {
  std::optional<Bound> low, high;
};

// The empty automaton when nothing fits.
Dfa integer_dfa(const NumberRange& range);
Dfa number_dfa(const NumberRange& range);
// Integers that `divisor` divides, `divisor` >= 1.
Dfa multiples_dfa(std::int64_t divisor);

}  // namespace toccata::grammar
