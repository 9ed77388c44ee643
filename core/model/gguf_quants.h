// The block formats in which published GGUF files keep the matrices outside the experts: Q4_0, Q4_1, Q5_0, Q5_1 and
// IQ4_NL in blocks of 32 values, Q2_K to Q6_K and IQ4_XS in super-blocks of 256 with a scale for every 16 or 32.
//
// They are turned into f32 once, when a checkpoint is loaded, and kept as bf16: a format of four bits gains nothing from
// kernels of its own next to Q8_0, which the fast mode packs them into, and every path that reads bf16 reads them.
//
// A value is scale * code, maybe less a minimum, where the scale of a super-block's group is an f16 times a small integer.
// The significant bits of the three factors are at most 23 in every format: products are exact in f32, the subtraction is
// the only rounding, and fused multiply-add changes nothing.
// Source: the fields of the block structs in ggml-common.h.
#pragma once

#include <cstddef>

#include "core/model/gguf.h"

namespace toccata::model {

// Whether dequantize() reads the type.
bool is_quantized(GgufType type);

// `blocks` holds n_values / block_of(type)->values blocks without gaps, at any alignment; n_values is a multiple of
// block_of(type)->values. Infinite or NaN where the file's scales are.
void dequantize(GgufType type, const std::byte* blocks, std::size_t n_values, float* out);

}  // namespace toccata::model
