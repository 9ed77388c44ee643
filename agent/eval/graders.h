// What code says about an answer. A grade is one object: {"verdict": "correct" | "incorrect", "reason", ...}; further numbers
// stand under "metrics" and are averaged over the items.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/task/assertions.h"
#include "agent/task/value.h"

namespace toccata::eval {

using task::Value;

Value grade(bool correct, std::string reason, Value more = Value::object());

// --- numbers --------------------------------------------------------------------------------------------------------

// What stands in the last \boxed{...} of a text; nothing when there is none or it is not closed.
std::optional<std::string> last_boxed(const std::string& text);
// The number a text is: 1,234 · -5.5e3 · 3/4 · \frac{3}{4} · \dfrac34 with $ and TeX spaces around. Of text with more in it, nothing.
std::optional<double> number_of(const std::string& text);
// The boxed number, else the last one. Whole numbers are compared digit by digit, so that no size is too large; others within
// max(abs, rel * |expected|), at least 1e-9 of the expected.
Value grade_number(const std::string& answer, const std::string& expected, double abs, double rel);

// --- choices --------------------------------------------------------------------------------------------------------

// The letter an answer ends on: boxed, "Answer: C", "the answer is (C)", or a letter alone. Of the first `n` letters.
std::optional<char> chosen_letter(const std::string& answer, std::size_t n);
// A permutation of 0..n-1 that depends on the text alone.
std::vector<std::size_t> permutation(const std::string& text, std::size_t n);

// --- programs -------------------------------------------------------------------------------------------------------

struct ProgramTest {
  std::string input, output;
};
struct ProgramLimits {
  double seconds = 5;         // of CPU, each test
  std::int64_t memory_mb = 512;
};
// The last fenced block of an answer; without a fence all of it.
std::string program_of(const std::string& answer);
// Runs it on every input in a fresh sandbox. What it should print never gets there: only a digest of what it printed comes back.
Value grade_program(
    const std::string& program, const std::vector<ProgramTest>& tests, const ProgramLimits& limits, const task::Evidence& evidence
);

// --- calls ----------------------------------------------------------------------------------------------------------

// `calls`: [{name, arguments}] as made; `expected`: the same with a list of allowed values for each argument, in which null or
// "" means that it may be left out. The order does not matter; every call must be one that is expected.
Value grade_calls(const Value& calls, const Value& expected);

// --- citations ------------------------------------------------------------------------------------------------------

struct Citation {
  std::size_t document = 0;
  std::size_t first = 0, last = 0;  // lines, from 1; 0: the whole document
  friend bool operator==(const Citation&, const Citation&) = default;
};
// 【2†L3】 and 【2†L3-L5】, in their order.
std::vector<Citation> citations_of(const std::string& answer);
// `n_lines`: of each document. Correct: there are citations, all of them point to something, and each of `expected` is cited.
Value grade_citations(
    const std::string& answer, const std::vector<std::size_t>& n_lines, const std::vector<Citation>& expected
);

}  // namespace toccata::eval
