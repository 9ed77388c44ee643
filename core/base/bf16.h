#pragma once

#include <bit>
#include <cstdint>

namespace toccata {

// bfloat16 as checkpoints store it: the upper half of an f32.
using Bf16 = std::uint16_t;

inline float to_f32(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

// Nearest, ties to even. For tests and tools; inference only reads bf16.
inline Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<Bf16>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace toccata
