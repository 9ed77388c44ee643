#include "core/model/gguf_quants.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "core/base/error.h"
#include "core/base/f16.h"

namespace toccata::model {
namespace {

static_assert(std::endian::native == std::endian::little);

// What the codes of IQ4_NL and IQ4_XS stand for.
constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

template <class T>
T load(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float half_at(const std::uint8_t* at) { return f16_to_f32(load<std::uint16_t>(at)); }

// Code i of 32 that lie as i in the low nibble of byte i, i + 16 in the high one.
unsigned nibble(const std::uint8_t* codes, unsigned i) { return i < 16 ? codes[i] & 15U : codes[i - 16] >> 4; }

// scale f16, codes[16]
void q4_0(const std::uint8_t* b, float* out) {
  const float scale = half_at(b);
  for (unsigned i = 0; i < 32; ++i) out[i] = scale * (static_cast<float>(nibble(b + 2, i)) - 8);
}

// scale f16, minimum f16, codes[16]
void q4_1(const std::uint8_t* b, float* out) {
  const float scale = half_at(b), minimum = half_at(b + 2);
  for (unsigned i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(b + 4, i)) + minimum;
}

// scale f16, fifth bits u32, codes[16]
void q5_0(const std::uint8_t* b, float* out) {
  const float scale = half_at(b);
  const auto fifth = load<std::uint32_t>(b + 2);
  for (unsigned i = 0; i < 32; ++i) {
    out[i] = scale * (static_cast<float>(nibble(b + 6, i) | (fifth >> i & 1U) << 4) - 16);
  }
}

// scale f16, minimum f16, fifth bits u32, codes[16]
void q5_1(const std::uint8_t* b, float* out) {
  const float scale = half_at(b), minimum = half_at(b + 2);
  const auto fifth = load<std::uint32_t>(b + 4);
  for (unsigned i = 0; i < 32; ++i) {
    out[i] = scale * static_cast<float>(nibble(b + 8, i) | (fifth >> i & 1U) << 4) + minimum;
  }
}

// scale f16, codes[16]
void iq4_nl(const std::uint8_t* b, float* out) {
  const float scale = half_at(b);
  for (unsigned i = 0; i < 32; ++i) out[i] = scale * kIq4Values[nibble(b + 2, i)];
}

// Two bits of value i of 256: each 32 bytes hold 128 values, the first 32 of them in the lowest bits.
unsigned two_bits(const std::uint8_t* codes, unsigned i) { return codes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3U; }

// scales[16] (low nibble, minimum in the high one), codes[64], scale f16, minimum f16
void q2_k(const std::uint8_t* b, float* out) {
  const float scale = half_at(b + 80), minimum = half_at(b + 82);
  for (unsigned group = 0; group < 16; ++group) {
    const float d = scale * static_cast<float>(b[group] & 15U), m = minimum * static_cast<float>(b[group] >> 4);
    for (unsigned i = group * 16; i < group * 16 + 16; ++i) out[i] = d * static_cast<float>(two_bits(b + 16, i)) - m;
  }
}

// third bits[32], codes[64], scales[12], scale f16. Scale i, less 32: four bits in a nibble of the first 8 bytes, two bits
// in the last 4.
void q3_k(const std::uint8_t* b, float* out) {
  const std::uint8_t* scales = b + 96;
  const float scale = half_at(b + 108);
  for (unsigned group = 0; group < 16; ++group) {
    const unsigned low = scales[group % 8] >> group / 8 * 4 & 15U, high = scales[8 + group % 4] >> group / 4 * 2 & 3U;
    const float d = scale * (static_cast<float>(low | high << 4) - 32);
    for (unsigned i = group * 16; i < group * 16 + 16; ++i) {
      const unsigned third = b[i % 32] >> i / 32 & 1U;
      out[i] = d * (static_cast<float>(two_bits(b + 32, i) | third << 2) - 4);
    }
  }
}

// Of 8 groups of 32 values, as Q4_K and Q5_K have them in 12 bytes: the first four scales and minima in six bits of bytes
// 0-3 and 4-7, the others in nibbles of bytes 8-11 and the two bits left over in the first 8.
struct ScaleAndMinimum {
  float scale, minimum;
};
ScaleAndMinimum six_bits(const std::uint8_t* s, unsigned group) {
  if (group < 4) return {static_cast<float>(s[group] & 63U), static_cast<float>(s[group + 4] & 63U)};
  const unsigned scale = (s[group + 4] & 15U) | (s[group - 4] & 0xC0U) >> 2;
  const unsigned minimum = (s[group + 4] & 0xF0U) >> 4 | (s[group] & 0xC0U) >> 2;
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

// scale f16, minimum f16, scales[12], codes[128]: each 32 bytes hold one group in the low nibbles, the next in the high ones
void q4_k(const std::uint8_t* b, float* out) {
  const float scale = half_at(b), minimum = half_at(b + 2);
  for (unsigned group = 0; group < 8; ++group) {
    const ScaleAndMinimum s = six_bits(b + 4, group);
    const float d = scale * s.scale, m = minimum * s.minimum;
    const std::uint8_t* codes = b + 16 + group / 2 * 32;
    for (unsigned i = 0; i < 32; ++i) out[group * 32 + i] = d * static_cast<float>(codes[i] >> group % 2 * 4 & 15U) - m;
  }
}

// As Q4_K, with fifth bits[32] before the codes, bit `group` of byte i for value i of a group.
void q5_k(const std::uint8_t* b, float* out) {
  const float scale = half_at(b), minimum = half_at(b + 2);
  const std::uint8_t* fifth = b + 16;
  for (unsigned group = 0; group < 8; ++group) {
    const ScaleAndMinimum s = six_bits(b + 4, group);
    const float d = scale * s.scale, m = minimum * s.minimum;
    const std::uint8_t* codes = b + 48 + group / 2 * 32;
    for (unsigned i = 0; i < 32; ++i) {
      const unsigned code = (codes[i] >> group % 2 * 4 & 15U) | (fifth[i] >> group & 1U) << 4;
      out[group * 32 + i] = d * static_cast<float>(code) - m;
    }
  }
}

// low nibbles[128], upper bits[64], scales[16] int8, scale f16. Each 64 bytes of nibbles hold 128 values, the first 64 of
// them in the low ones.
void q6_k(const std::uint8_t* b, float* out) {
  const float scale = half_at(b + 208);
  for (unsigned group = 0; group < 16; ++group) {
    const float d = scale * static_cast<float>(static_cast<std::int8_t>(b[192 + group]));
    for (unsigned i = group * 16; i < group * 16 + 16; ++i) {
      const unsigned low = b[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15U;
      out[i] = d * (static_cast<float>(low | two_bits(b + 128, i) << 4) - 32);
    }
  }
}

// scale f16, upper bits of the scales u16, scales[4] (two nibbles each), codes[128]: 8 groups in the order of IQ4_NL
void iq4_xs(const std::uint8_t* b, float* out) {
  const float scale = half_at(b);
  const unsigned upper = load<std::uint16_t>(b + 2);
  for (unsigned group = 0; group < 8; ++group) {
    const unsigned low = b[4 + group / 2] >> group % 2 * 4 & 15U, high = upper >> group * 2 & 3U;
    const float d = scale * (static_cast<float>(low | high << 4) - 32);
    for (unsigned i = 0; i < 32; ++i) out[group * 32 + i] = d * kIq4Values[nibble(b + 8 + group * 16, i)];
  }
}

using BlockReader = void (*)(const std::uint8_t* block, float* out);

BlockReader reader_of(GgufType type) {
  switch (type) {
    case GgufType::kQ4_0: return q4_0;
    case GgufType::kQ4_1: return q4_1;
    case GgufType::kQ5_0: return q5_0;
    case GgufType::kQ5_1: return q5_1;
    case GgufType::kQ2_K: return q2_k;
    case GgufType::kQ3_K: return q3_k;
    case GgufType::kQ4_K: return q4_k;
    case GgufType::kQ5_K: return q5_k;
    case GgufType::kQ6_K: return q6_k;
    case GgufType::kIQ4_NL: return iq4_nl;
    case GgufType::kIQ4_XS: return iq4_xs;
    default: return nullptr;
  }
}

}  // namespace

bool is_quantized(GgufType type) { return reader_of(type) != nullptr; }

void dequantize(GgufType type, const std::byte* blocks, std::size_t n_values, float* out) {
  const BlockReader read = reader_of(type);
  TOCCATA_CHECK(read != nullptr);
  const GgufBlock block = *block_of(type);
  const auto values = static_cast<std::size_t>(block.values);
  TOCCATA_CHECK(n_values % values == 0);
  const auto* from = reinterpret_cast<const std::uint8_t*>(blocks);
  for (std::size_t at = 0; at < n_values; at += values, from += block.bytes) read(from, out + at);
}

}  // namespace toccata::model
