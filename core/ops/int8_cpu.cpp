#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/f16.h"
#include "core/ops/int8.h"
#include "core/ops/mxfp4.h"

namespace toccata::ops {
namespace {

void quantize(const float* x, int n_blocks, Int8Order order, Int8Block* out) {
  for (int b = 0; b < n_blocks; ++b, x += kInt8Block) {
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < kInt8Block; ++i) {
      finite = finite && std::isfinite(x[i]);
      largest = std::max(largest, std::abs(x[i]));
    }
    Int8Block& block = out[b];
    block = {};
    if (!finite) {
      block.scale = std::numeric_limits<float>::quiet_NaN();
      continue;
    }
    block.scale = largest / 127.0F;
    // Below the second bound 127 / largest is infinite; such a block is as good as zero.
    const float inverse = largest > 1e-36F ? 127.0F / largest : 0.0F;
    int sums[2] = {0, 0};
    for (int i = 0; i < kInt8Block; ++i) {
      const int from = order == Int8Order::kHalves ? i : i < 16 ? 2 * i : 2 * (i - 16) + 1;
      block.q[i] = static_cast<std::int8_t>(std::nearbyint(x[from] * inverse));
      sums[i % 4 / 2] += block.q[i];
    }
    for (int half = 0; half < 2; ++half) {
      block.correction[half] = static_cast<std::int16_t>(-kMxfp4Bias * sums[half]);
    }
  }
}

// 2^(e - 127), and 0 in place of the subnormal 2^-127.
float mxfp4_scale(std::uint8_t e) {
  const std::uint32_t bits = std::uint32_t{e} << 23;
  float scale = 0;
  std::memcpy(&scale, &bits, sizeof scale);
  return scale;
}

float q8_scale(const std::uint8_t* p) {
  std::uint16_t half = 0;
  std::memcpy(&half, p, sizeof half);
  return f16_to_f32(half);
}

struct Mxfp4 {
  static std::uint8_t code(const std::uint8_t* codes, int i) {
    const int nibble = i < 16 ? codes[i] & 15 : codes[i - 16] >> 4;
    return static_cast<std::uint8_t>(kMxfp4Doubled[static_cast<std::size_t>(nibble)] + kMxfp4Bias);
  }
  static int value(std::uint8_t code) { return code - kMxfp4Bias; }
  static float scale(const std::uint8_t* p) { return mxfp4_scale(*p); }
  // The codes are doubled values.
  static constexpr float kFactor = 0.5F;
};

struct Q8 {
  static std::uint8_t code(const std::uint8_t* codes, int i) { return codes[i]; }
  static int value(std::uint8_t code) { return static_cast<std::int8_t>(code); }
  static float scale(const std::uint8_t* p) { return q8_scale(p); }
  static constexpr float kFactor = 1;
};

template <class Format>
void unpack(const Rows8 rows[2], int first, int n_blocks, Panel& panel) {
  for (int b = 0; b < n_blocks; ++b) {
    for (int r = 0; r < kPanelRows; ++r) {
      const Rows8& from = rows[r / 8];
      const std::uint8_t* codes = from.codes[r % 8] + std::ptrdiff_t{first + b} * from.code_step;
      for (int i = 0; i < kInt8Block; ++i) panel.codes[b][i / 4][r][i % 4] = Format::code(codes, i);
      panel.scales[b][r] = Format::scale(from.scales[r % 8] + std::ptrdiff_t{first + b} * from.scale_step) * Format::kFactor;
    }
  }
}

template <class Format>
void panel_dot(
    const Panel& panel, const Int8Block* const x[], int n_tokens, int n_blocks, float* const sums[], const Prefetch* /*next*/
) {
  for (int t = 0; t < n_tokens; ++t) {
    for (int b = 0; b < n_blocks; ++b) {
      for (int r = 0; r < kPanelRows; ++r) {
        int whole = 0;
        for (int i = 0; i < kInt8Block; ++i) whole += Format::value(panel.codes[b][i / 4][r][i % 4]) * x[t][b].q[i];
        sums[t][r] = std::fma(static_cast<float>(whole), panel.scales[b][r] * x[t][b].scale, sums[t][r]);
      }
    }
  }
}

template <class Format>
float dot_row(const std::uint8_t* codes, const std::uint8_t* scales, const Rows8& rows, const Int8Block* x, int n_blocks) {
  float sum = 0;
  for (int b = 0; b < n_blocks; ++b, codes += rows.code_step, scales += rows.scale_step) {
    int whole = 0;
    for (int i = 0; i < kInt8Block; ++i) whole += Format::value(Format::code(codes, i)) * x[b].q[i];
    sum = std::fma(static_cast<float>(whole), Format::scale(scales) * Format::kFactor * x[b].scale, sum);
  }
  return sum;
}

template <class Format>
void dot(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]) {
  for (int t = 0; t < n_tokens; ++t) {
    for (int r = 0; r < kPanelRows; ++r) {
      const Rows8& from = rows[r / 8];
      out[t][r] = dot_row<Format>(from.codes[r % 8], from.scales[r % 8], from, x[t], n_blocks);
    }
  }
}

constexpr Int8Kernels kScalar = {
    quantize,
    {dot<Mxfp4>, unpack<Mxfp4>, panel_dot<Mxfp4>},
    {dot<Q8>, unpack<Q8>, panel_dot<Q8>},
};

}  // namespace

const Int8Kernels& scalar_int8_kernels() { return kScalar; }

const Int8Kernels& int8_kernels() {
  static const Int8Kernels* const best = [] {
    for (const auto kernels : {avx512_vbmi_int8_kernels, avx512_vnni_int8_kernels, avx_vnni_int8_kernels, avx2_int8_kernels}) {
      if (const Int8Kernels* found = kernels()) return found;
    }
    return &kScalar;
  }();
  return *best;
}

}  // namespace toccata::ops
