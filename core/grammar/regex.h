// Regular expressions of JSON Schema's `pattern`: the part of ECMA-262 that is regular.
//
// Left out and refused by name: look-around, back-references, \b, \p{..}. Where ECMA-262 and Python's `re` disagree on
// a class, the smaller reading is taken, so that what we let through satisfies validators of both kinds: `.` is no line
// end of either; \d \w are ASCII; their negations are ASCII too; \s is what both call space, \S what neither does.
#pragma once

#include <string_view>

#include "core/base/error.h"
#include "core/grammar/dfa.h"

namespace toccata::grammar {

enum class RegexMatch { kSearch, kWhole };  // `pattern` finds its match anywhere in the text

inline constexpr int kRegexStatesMax = 20'000;

// kUnsupported names the construct, kInvalidArgument a syntax error, kResourceExhausted an automaton that is too large.
Result<Dfa> compile_regex(std::string_view pattern, RegexMatch match);

}  // namespace toccata::grammar
