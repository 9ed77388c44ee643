// MXFP4: blocks of 32 values, 4-bit codes (e2m1) and a shared power of two. 4.25 bits a weight.
// Source: OCP Microscaling Formats (MX) v1.0; block order as in openai/gpt-oss gpt_oss/torch/weights.py.
#pragma once

#include <array>
#include <cstdint>

namespace toccata::ops {

inline constexpr int kMxfp4Block = 32;       // values
inline constexpr int kMxfp4BlockBytes = 16;  // of codes; value 2j in the low nibble of byte j, 2j + 1 in the high one

// Twice the value of each code, so that all are whole numbers.
inline constexpr std::array<std::int8_t, 16> kMxfp4Doubled = {0,  1,  2,  3,  4,  6,  8,  12,
                                                              0, -1, -2, -3, -4, -6, -8, -12};

// 2^(scale - 127) / 2 for each scale byte: what the doubled codes are multiplied by. Subnormal at 0, never NaN: 255 is
// refused when a checkpoint is loaded.
const std::array<float, 256>& mxfp4_half_scales();

// 32 values of one block.
void mxfp4_decode(const std::uint8_t* codes, std::uint8_t scale, float* values);

}  // namespace toccata::ops
