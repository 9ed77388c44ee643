// A tiny model in every quantised block format that GGUF files use, for tests.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "core/model/gguf_quants.h"
#include "tests/support/gguf_writer.h"

namespace toccata::testing {

struct GgufQuant {
  model::GgufType type;
  std::vector<std::size_t> halves;  // where a block has an f16
};
inline const std::vector<GgufQuant>& gguf_quants() {
  using enum model::GgufType;
  static const std::vector<GgufQuant> kAll = {
      {kQ4_0, {0}},      {kQ4_K, {0, 2}}, {kQ6_K, {208}},    {kQ5_0, {0}},   {kQ3_K, {108}},    {kQ5_1, {0, 2}},
      {kQ2_K, {80, 82}}, {kIQ4_NL, {0}},  {kQ5_K, {0, 2}},   {kIQ4_XS, {0}}, {kQ4_1, {0, 2}}};
  return kAll;
}

// Random codes; scales for which values stay below 1.
inline std::vector<std::byte> random_blocks(const GgufQuant& quant, std::size_t n_values, std::mt19937& rng) {
  const model::GgufBlock block = *model::block_of(quant.type);
  std::vector<std::byte> bytes(n_values / static_cast<std::size_t>(block.values) * block.bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng() & 0xFFU);
  for (std::size_t at = 0; at < bytes.size(); at += block.bytes) {
    for (const std::size_t half : quant.halves) {
      const float fraction = 1 + static_cast<float>(rng() % 1024) / 1024;
      const std::uint16_t scale = f32_to_f16(std::ldexp(fraction, block.values == 32 ? -8 : -14));
      std::memcpy(bytes.data() + at + half, &scale, sizeof scale);
    }
  }
  return bytes;
}

// Matrices of random blocks, each in the next format that its rows are wide enough for: as they are, or as the bf16
// numbers nearest to their values. Two encoders made alike describe the same model.
inline GgufEncoder quantized(bool as_bf16) {
  return [as_bf16, rng = std::mt19937(7), next = std::size_t{0}](const std::vector<float>& values, int n_in) mutable {
    const auto& all = gguf_quants();
    while (n_in % model::block_of(all[next % all.size()].type)->values != 0) ++next;
    const GgufQuant& quant = all[next++ % all.size()];
    std::vector<std::byte> blocks = random_blocks(quant, values.size(), rng);
    if (!as_bf16) return GgufMatrix{static_cast<std::uint32_t>(quant.type), std::move(blocks)};
    std::vector<float> plain(values.size());
    model::dequantize(quant.type, blocks.data(), plain.size(), plain.data());
    return GgufMatrix{30, encode_dense(plain, GgufDense::kBf16)};
  };
}

// Rows of 256 and of 32 values, and matrices enough for every format.
inline constexpr TinyShape kQuantizedShape{
    .layers = 3, .experts = 2, .experts_per_token = 1, .hidden = 256, .intermediate = 32, .heads = 2};

}  // namespace toccata::testing
