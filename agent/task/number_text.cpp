#include "agent/task/number_text.h"

#include <cctype>
#include <charconv>
#include <cmath>

namespace toccata::task {
namespace {

bool digit(const std::string& text, std::size_t i) {
  return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
}

// The number that begins at `at`, without commas; `at` is moved behind it.
std::string read_number(const std::string& text, std::size_t& at) {
  std::string number;
  if (at > 0 && text[at - 1] == '-' && (at == 1 || !digit(text, at - 2))) number = "-";
  while (digit(text, at)) {
    number += text[at++];
    // 12,345 and not 12,34 or 12, 345
    if (at < text.size() && text[at] == ',' && digit(text, at + 1) && digit(text, at + 2) && digit(text, at + 3) &&
        !digit(text, at + 4)) {
      ++at;
    }
  }
  if (at < text.size() && text[at] == '.' && digit(text, at + 1)) {
    number += text[at++];
    while (digit(text, at)) number += text[at++];
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::size_t exponent = at + 1;
    if (exponent < text.size() && (text[exponent] == '-' || text[exponent] == '+')) ++exponent;
    if (digit(text, exponent)) {
      number += 'e';
      if (text[at + 1] == '-') number += '-';
      while (digit(text, exponent)) number += text[exponent++];
      at = exponent;
    }
  }
  return number;
}

}  // namespace

std::optional<double> last_number(const Value& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.get_ref<const std::string&>();
  std::optional<double> last;
  for (std::size_t at = 0; at < text.size();) {
    if (!digit(text, at)) {
      ++at;
      continue;
    }
    const std::string number = read_number(text, at);
    double parsed = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), parsed);
    if (error == std::errc() && std::isfinite(parsed)) last = parsed;
  }
  return last;
}

}  // namespace toccata::task
