#pragma once

#include <cstdint>
#include <vector>

namespace toccata {

// A token id: a row of the embedding table, a column of the logits. Valid ids are >= 0.
using Token = std::int32_t;
using Tokens = std::vector<Token>;

}  // namespace toccata
