// MXFP4 in registers. A block: 16 bytes of codes (element 2j in the low nibble of byte j, 2j + 1 in the high one) and a
// scale byte. Four bits become a half or bf16 of the same value, but for a power of two, by moving them into place: sign
// to the sign bit, the other three to the lowest exponent bits and the highest mantissa bit.
#pragma once

#include "core/cuda/platform.cuh"

namespace toccata::cuda {

// One matrix for each expert; layouts as model::ExpertLinear.
struct Experts {
  const std::uint8_t* blocks = nullptr;  // 16-byte aligned
  const std::uint8_t* scales = nullptr;
  const std::uint16_t* bias = nullptr;
  int n_experts = 0, n_out = 0, n_in = 0;
};

// 2^(scale - 127), the scale of a block; 0 gives the subnormal 2^-127.
TOCCATA_DEVICE float mxfp4_scale(std::uint8_t scale) {
  return scale == 0 ? as_float(0x00400000U) : as_float(static_cast<std::uint32_t>(scale) << 23);
}

// Two halfs -> f32. Only codes in place come here: no infinities, no NaN.
TOCCATA_DEVICE float2 halfs_to_float2(std::uint32_t pair) {
#if defined(__CUDACC__)
  return __half22float2(*reinterpret_cast<const __half2*>(&pair));
#else
  const auto widen = [](std::uint32_t bits) {
    const float magnitude = std::ldexp(static_cast<float>(bits & 0x3FFU), -24);
    const std::uint32_t exponent = bits >> 10 & 31U;
    const float value = exponent == 0 ? magnitude
                                      : std::ldexp(1024.0F + static_cast<float>(bits & 0x3FFU), static_cast<int>(exponent) - 25);
    return (bits & 0x8000U) != 0 ? -value : value;
  };
  return {widen(pair & 0xFFFFU), widen(pair >> 16)};
#endif
}

inline constexpr float kHalfCodeScale = 16384.0F;  // codes in place as halfs are 2^-14 of their value

// Eight codes -> values times 2^-14, in order.
TOCCATA_DEVICE void mxfp4_decode8(std::uint32_t codes, float (&v)[8]) {
  TOCCATA_UNROLL
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t nibbles = codes >> (4 * i);
    const float2 two = halfs_to_float2((nibbles << 12 & 0x80008000U) | (nibbles << 9 & 0x0E000E00U));
    v[i] = two.x;
    v[i + 4] = two.y;
  }
}

// Codes i and i + 4 of eight as two bf16, exact: (low half, high half) times `scale`.
TOCCATA_DEVICE std::uint32_t mxfp4_bf16_pair(std::uint32_t codes, int i, std::uint8_t scale) {
  const std::uint32_t nibbles = codes >> (4 * i);
  const std::uint32_t tiny = (nibbles << 12 & 0x80008000U) | (nibbles << 6 & 0x01C001C0U);  // times 2^-126
  const std::uint32_t factor = scale == 0 ? 0x0040U : static_cast<std::uint32_t>(scale) << 7;
#if defined(__CUDACC__)
  const std::uint32_t lift = 0x7E807E80U;  // 2^126
  const std::uint32_t both = factor | factor << 16;
  const __nv_bfloat162 value = __hmul2(
      __hmul2(*reinterpret_cast<const __nv_bfloat162*>(&tiny), *reinterpret_cast<const __nv_bfloat162*>(&lift)),
      *reinterpret_cast<const __nv_bfloat162*>(&both)
  );
  return *reinterpret_cast<const std::uint32_t*>(&value);
#else
  const auto scaled = [&](std::uint32_t bits) {
    const float value = from_bf16(static_cast<std::uint16_t>(bits)) * 0x1p126F * from_bf16(static_cast<std::uint16_t>(factor));
    return static_cast<std::uint32_t>(to_bf16_bits(value));
  };
  return scaled(tiny & 0xFFFFU) | scaled(tiny >> 16) << 16;
#endif
}

// Clamped SwiGLU: openai/gpt-oss gpt_oss/torch/model.py, swiglu.
TOCCATA_DEVICE float swiglu(float gate, float up, float limit) {
  gate = fminf(gate, limit);
  up = fminf(fmaxf(up, -limit), limit);
  return gate / (1.0F + expf(-1.702F * gate)) * (up + 1.0F);
}

}  // namespace toccata::cuda
