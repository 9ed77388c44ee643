#pragma once

#include <span>

#include "core/base/bf16.h"
#include "core/base/token.h"
#include "core/ops/device.h"

namespace toccata::ops {

// out[i] = table[tokens[i]]: no scaling, no position.
//   table [n_vocab, hidden] bf16   tokens [n]   out [n, hidden] f32
// CHECKs that every token is in the table.
void embed(Device device, std::span<const Bf16> table, int hidden, std::span<const Token> tokens, float* out);

}  // namespace toccata::ops
