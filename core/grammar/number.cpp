#include "core/grammar/number.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/base/json.h"

namespace toccata::grammar {
namespace {

constexpr int kIntegerDigits = 19;
constexpr int kFractionDigits = 20;
constexpr int kSignificant = 15;

// Digits of one magnitude range, compared position by position with both bounds.
class MagnitudeBuilder {
 public:
  MagnitudeBuilder(Nfa& nfa, int accept, const std::optional<Bound>& low, const std::optional<Bound>& high, int n_fraction)
      : nfa_(nfa), accept_(accept), low_(low), high_(high), n_fraction_(n_fraction) {}

  void build(int start) {
    int longest = kIntegerDigits;
    if (low_) longest = std::max(longest, static_cast<int>(low_->value.digits.size()));
    if (high_) longest = std::min(longest, static_cast<int>(high_->value.digits.size()));
    for (int length = 1; length <= longest; ++length) {
      const bool at_low = low_ && length == static_cast<int>(low_->value.digits.size());
      const bool at_high = high_ && length == static_cast<int>(high_->value.digits.size());
      if (low_ && length < static_cast<int>(low_->value.digits.size())) continue;
      nfa_.epsilon(start, integer(length, 0, at_low, at_high));
    }
  }

 private:
  static int digit(const std::string& digits, int position) {
    return position < static_cast<int>(digits.size()) ? digits[position] - '0' : 0;
  }
  static bool rest_is_zero(const std::string& digits, int from) {
    for (std::size_t i = from; i < digits.size(); ++i) {
      if (digits[i] != '0') return false;
    }
    return true;
  }

  // The node where `position` of `length` integer digits are read and the value so far equals that of a bound.
  int integer(int length, int position, bool at_low, bool at_high) {
    const auto key = std::tuple(length, position, at_low, at_high);
    if (const auto found = integers_.find(key); found != integers_.end()) return found->second;
    const int node = nfa_.add();
    integers_[key] = node;
    if (position == length) {
      nfa_.epsilon(node, fraction(0, at_low, at_high));
      return node;
    }
    const int first = position == 0 && length > 1 ? 1 : 0;
    for (int d = first; d <= 9; ++d) {
      const int low = at_low ? digit(low_->value.digits, position) : 0;
      const int high = at_high ? digit(high_->value.digits, position) : 9;
      if (d < low || d > high) continue;
      const Symbol symbol = '0' + static_cast<Symbol>(d);
      nfa_.edge(node, symbol, symbol, integer(length, position + 1, at_low && d == low, at_high && d == high));
    }
    return node;
  }

  int fraction(int position, bool at_low, bool at_high) {
    const auto key = std::tuple(position, at_low, at_high);
    if (const auto found = fractions_.find(key); found != fractions_.end()) return found->second;
    const int node = nfa_.add();
    fractions_[key] = node;
    if (may_end(position, at_low, at_high)) nfa_.epsilon(node, accept_);
    if (position >= n_fraction_) return node;
    int from = node;
    if (position == 0) {
      from = nfa_.add();
      nfa_.edge(node, '.', '.', from);
    }
    for (int d = 0; d <= 9; ++d) {
      const int low = at_low ? digit(low_->value.fraction, position) : 0;
      const int high = at_high ? digit(high_->value.fraction, position) : 9;
      if (d < low || d > high) continue;
      const Symbol symbol = '0' + static_cast<Symbol>(d);
      nfa_.edge(from, symbol, symbol, fraction(position + 1, at_low && d == low, at_high && d == high));
    }
    return node;
  }

  bool may_end(int position, bool at_low, bool at_high) const {
    if (at_low && !(rest_is_zero(low_->value.fraction, position) && low_->inclusive)) return false;
    if (at_high && rest_is_zero(high_->value.fraction, position) && !high_->inclusive) return false;
    return true;
  }

  Nfa& nfa_;
  int accept_;
  const std::optional<Bound>& low_;
  const std::optional<Bound>& high_;
  int n_fraction_;
  std::map<std::tuple<int, int, bool, bool>, int> integers_;
  std::map<std::tuple<int, bool, bool>, int> fractions_;
};

Bound magnitude(Bound bound) {
  bound.value.negative = false;
  return bound;
}

Dfa range_dfa(const NumberRange& range, int n_fraction) {
  const Bound zero_out{Decimal{}, false}, zero_in{Decimal{}, true};
  Nfa nfa;
  const int start = nfa.add();
  const int accept = nfa.add();
  const auto sign = [](const std::optional<Bound>& b) {
    return !b || b->value.zero() ? 0 : b->value.negative ? -1 : 1;
  };
  // Zero and above.
  std::optional<Bound> low = zero_in, high = range.high;
  if (range.low && sign(range.low) >= 0) low = range.low;
  if (!(high && sign(high) < 0)) MagnitudeBuilder(nfa, accept, low, high, n_fraction).build(start);
  // Below zero: magnitudes with the bounds exchanged. There is no "-0".
  std::optional<Bound> far, near = zero_out;
  if (range.low) far = magnitude(*range.low);
  if (range.high && sign(range.high) < 0) near = magnitude(*range.high);
  if (!range.low || sign(range.low) < 0) {
    const int minus = nfa.add();
    nfa.edge(start, '-', '-', minus);
    MagnitudeBuilder(nfa, accept, near, far, n_fraction).build(minus);
  }
  return nfa.determinise(start, accept, 1 << 20).value_or(Dfa{});
}

int fraction_digits(const NumberRange& range) {
  int n = kFractionDigits;
  for (const auto* bound : {&range.low, &range.high}) {
    if (!*bound) continue;
    const auto size = static_cast<int>((*bound)->value.digits.size());
    n = std::min(n, std::max(static_cast<int>((*bound)->value.fraction.size()), kSignificant - size));
  }
  return n;
}

}  // namespace

Decimal Decimal::of(const nlohmann::ordered_json& number) {
  std::string text = json_text(number);
  Decimal out;
  if (text[0] == '-') {
    out.negative = true;
    text.erase(0, 1);
  }
  int exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string::npos) {
    exponent = std::stoi(text.substr(e + 1));
    text.resize(e);
  }
  const std::size_t point = text.find('.');
  std::string digits = text.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : text.substr(point + 1);
  for (; exponent > 0; --exponent) {
    digits += fraction.empty() ? '0' : fraction[0];
    if (!fraction.empty()) fraction.erase(0, 1);
  }
  for (; exponent < 0; ++exponent) {
    fraction.insert(fraction.begin(), digits.empty() ? '0' : digits.back());
    if (!digits.empty()) digits.pop_back();
  }
  const std::size_t first = digits.find_first_not_of('0');
  out.digits = first == std::string::npos ? "0" : digits.substr(first);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  out.fraction = fraction;
  if (out.zero()) out.negative = false;
  return out;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = 0;
  if (a.digits.size() != b.digits.size()) {
    order = a.digits.size() < b.digits.size() ? -1 : 1;
  } else if (a.digits != b.digits) {
    order = a.digits < b.digits ? -1 : 1;
  } else if (a.fraction != b.fraction) {
    order = a.fraction < b.fraction ? -1 : 1;  // no trailing zeros: the order of decimals is that of the strings
  }
  return a.negative ? -order : order;
}

Dfa integer_dfa(const NumberRange& range) { return range_dfa(range, 0); }

Dfa number_dfa(const NumberRange& range) {
  if (range.low || range.high) return range_dfa(range, fraction_digits(range));
  Nfa nfa;
  const int start = nfa.add(), mantissa = nfa.add(), accept = nfa.add(), minus = nfa.add();
  const std::optional<Bound> none;
  MagnitudeBuilder(nfa, mantissa, none, none, kFractionDigits).build(start);
  nfa.edge(start, '-', '-', minus);
  MagnitudeBuilder(nfa, mantissa, none, none, kFractionDigits).build(minus);
  nfa.epsilon(mantissa, accept);
  const int e = nfa.add(), digits = nfa.add(), one = nfa.add(), two = nfa.add(), ten = nfa.add();
  nfa.edge(mantissa, 'e', 'e', e);
  nfa.edge(mantissa, 'E', 'E', e);
  nfa.edge(e, '+', '+', digits);
  nfa.edge(e, '-', '-', digits);
  nfa.epsilon(e, digits);
  nfa.edge(digits, '0', '9', one);
  nfa.epsilon(one, accept);
  nfa.edge(one, '0', '9', accept);
  nfa.edge(digits, '1', '1', two);
  nfa.edge(two, '0', '9', ten);
  const int twos = nfa.add();
  nfa.edge(digits, '2', '2', twos);
  nfa.edge(twos, '0', '7', ten);
  nfa.edge(ten, '0', '9', accept);
  return nfa.determinise(start, accept, 1 << 20).value_or(Dfa{});
}

Dfa multiples_dfa(std::int64_t divisor) {
  DfaBuilder builder;
  const int start = builder.add(), minus = builder.add();
  const int first = builder.size();
  for (std::int64_t r = 0; r < divisor; ++r) builder.add(r == 0 ? 0 : -1);
  builder.edge(start, '-', '-', minus);
  for (int d = 0; d < 10; ++d) {
    const Symbol symbol = '0' + static_cast<Symbol>(d);
    builder.edge(start, symbol, symbol, first + static_cast<int>(d % divisor));
    builder.edge(minus, symbol, symbol, first + static_cast<int>(d % divisor));
    for (std::int64_t r = 0; r < divisor; ++r) {
      builder.edge(first + static_cast<int>(r), symbol, symbol, first + static_cast<int>((r * 10 + d) % divisor));
    }
  }
  return builder.build();
}

}  // namespace toccata::grammar
