// Which keys an object may have, and what each one's value must meet. Not for users.
#pragma once

#include "core/grammar/schema_flat.h"

namespace toccata::grammar {

struct KeyTypes {
  std::vector<std::string> declared;  // tags 0 .. n - 1
  Dfa keys;
  std::vector<All> value;  // [tag]
};

// Throws Refusal.
KeyTypes key_types(Flattener& flattener, const Flat& flat);

}  // namespace toccata::grammar
