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
void panel_by2(const Panel& panel, int n_blocks, const Int8Block* x0, const Int8Block* x1, float* sums0, float* sums1) {
  for (int b = 0; b < n_blocks; ++b) {
    for (int r = 0; r < kPanelRows; ++r) {
      int whole[2] = {0, 0};
      for (int i = 0; i < kInt8Block; ++i) {
        const int value = Format::value(panel.codes[b][i / 4][r][i % 4]);
        whole[0] += value * x0[b].q[i];
        whole[1] += value * x1[b].q[i];
      }
      sums0[r] = std::fma(static_cast<float>(whole[0]), panel.scales[b][r] * x0[b].scale, sums0[r]);
      sums1[r] = std::fma(static_cast<float>(whole[1]), panel.scales[b][r] * x1[b].scale, sums1[r]);
    }
  }
}

template <class Format>
void dot8(const Rows8& rows, const Int8Block* x, int n_blocks, float out[8]) {
  for (int r = 0; r < 8; ++r) {
    float sum = 0;
    for (int b = 0; b < n_blocks; ++b) {
      const std::uint8_t* codes = rows.codes[r] + std::ptrdiff_t{b} * rows.code_step;
      int whole = 0;
      for (int i = 0; i < kInt8Block; ++i) whole += Format::value(Format::code(codes, i)) * x[b].q[i];
      const float scale = Format::scale(rows.scales[r] + std::ptrdiff_t{b} * rows.scale_step) * Format::kFactor;
      sum = std::fma(static_cast<float>(whole), scale * x[b].scale, sum);
    }
    out[r] = sum;
  }
}

constexpr Int8Kernels kScalar = {
    quantize,
    {dot8<Mxfp4>, unpack<Mxfp4>, panel_by2<Mxfp4>},
    {dot8<Q8>, unpack<Q8>, panel_by2<Q8>},
};

}  // namespace

const Int8Kernels& scalar_int8_kernels() { return kScalar; }

const Int8Kernels& int8_kernels() {
  static const Int8Kernels* const best = [] {
    if (const Int8Kernels* vnni = vnni_int8_kernels()) return vnni;
    if (const Int8Kernels* avx2 = avx2_int8_kernels()) return avx2;
    return &kScalar;
  }();
  return *best;
}

}  // namespace toccata::ops
