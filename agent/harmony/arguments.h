// The arguments of a call, as models garble them, mended where only one reading is possible.
#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::harmony {

// One JSON object and nothing but white space around it.
bool is_json_object(std::string_view text);

// The arguments of a call to a function as the text of one JSON object.
//   nothing                                          -> {}
//   {...} followed by blanks and stray ] or }        -> {...}
//   [{...}] with one element                         -> {...}
//   {"name": f, "parameters"|"arguments": {...}}     -> {...}, when f is the function called and nothing else is there
// Anything else is kInvalidArgument saying where the text breaks; nothing is guessed. What needs no mending comes back
// byte for byte. `recipient`: resolved, "functions.f".
Result<std::string> json_arguments(std::string_view recipient, std::string_view text);

}  // namespace toccata::harmony
