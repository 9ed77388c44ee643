#pragma once

#include <span>

#include "core/base/token.h"
#include "core/model/weights.h"
#include "core/ops/device.h"

namespace toccata::ops {

// out[i] = table[tokens[i]]: no scaling, no position.
//   table [n_vocab, hidden] of any type   tokens [n]   out [n, hidden] f32
// CHECKs that every token is in the table.
void embed(Device device, const model::Linear& table, std::span<const Token> tokens, float* out);

}  // namespace toccata::ops
