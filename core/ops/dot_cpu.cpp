#include <cmath>
#include <cstring>

#include "core/base/cpu_features.h"
#include "core/base/f16.h"
#include "core/ops/dot.h"
#include "core/ops/mxfp4.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace toccata::ops {
namespace {

float f32_scalar(const float* a, const float* b, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

float bf16_scalar(const Bf16* w, const float* x, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += to_f32(w[i]) * x[i];
  return sum;
}

void axpy_scalar(float s, const float* x, float* y, int n) {
  for (int i = 0; i < n; ++i) y[i] += s * x[i];
}

void mxfp4_order_scalar(const float* x, int n_blocks, float* out) {
  if (out != x) std::memcpy(out, x, static_cast<std::size_t>(n_blocks) * kMxfp4Block * sizeof(float));
}

float mxfp4_scalar(
    const std::uint8_t* blocks, const std::uint8_t* scales, const float* x, int n_blocks
) {
  float sum = 0;
  for (int block = 0; block < n_blocks; ++block) {
    float part = 0;
    for (int j = 0; j < kMxfp4BlockBytes; ++j) {
      const std::uint8_t codes = blocks[block * kMxfp4BlockBytes + j];
      const float* pair = x + block * kMxfp4Block + 2 * j;
      part += static_cast<float>(kMxfp4Doubled[codes & 15]) * pair[0];
      part += static_cast<float>(kMxfp4Doubled[codes >> 4]) * pair[1];
    }
    sum += part * mxfp4_half_scales()[scales[block]];
  }
  return sum;
}

float mxfp4_gguf_scalar(const std::uint8_t* blocks, const float* x, int n_blocks) {
  float sum = 0;
  for (int block = 0; block < n_blocks; ++block, blocks += 1 + kMxfp4BlockBytes, x += kMxfp4Block) {
    const std::uint8_t* codes = blocks + 1;
    float part = 0;
    for (int j = 0; j < kMxfp4BlockBytes; ++j) part += static_cast<float>(kMxfp4Doubled[codes[j] & 15]) * x[j];
    for (int j = 0; j < kMxfp4BlockBytes; ++j) part += static_cast<float>(kMxfp4Doubled[codes[j] >> 4]) * x[16 + j];
    sum += part * mxfp4_half_scales()[blocks[0]];
  }
  return sum;
}

void mxfp4_by4_scalar(
    const std::uint8_t* blocks, const std::uint8_t* scales, const float* const x[4], int n_blocks, float out[4]
) {
  for (int i = 0; i < 4; ++i) out[i] = mxfp4_scalar(blocks, scales, x[i], n_blocks);
}

void mxfp4_gguf_by4_scalar(const std::uint8_t* blocks, const float* const x[4], int n_blocks, float out[4]) {
  for (int i = 0; i < 4; ++i) out[i] = mxfp4_gguf_scalar(blocks, x[i], n_blocks);
}

float f16_at(const std::byte* p) {
  std::uint16_t raw = 0;
  std::memcpy(&raw, p, sizeof raw);
  return f16_to_f32(raw);
}

float f16_scalar(const std::byte* w, const float* x, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += f16_at(w + 2 * i) * x[i];
  return sum;
}

float q8_scalar(const std::byte* blocks, const float* x, int n_blocks) {
  float sum = 0;
  for (int block = 0; block < n_blocks; ++block, blocks += 34, x += 32) {
    float part = 0;
    for (int i = 0; i < 32; ++i) part += static_cast<float>(static_cast<std::int8_t>(blocks[2 + i])) * x[i];
    sum += part * f16_at(blocks);
  }
  return sum;
}

void unpack_f16_scalar(const std::byte* w, int n, float* out) {
  for (int i = 0; i < n; ++i) out[i] = f16_at(w + 2 * i);
}

void unpack_q8_scalar(const std::byte* blocks, int n_blocks, float* out) {
  for (int block = 0; block < n_blocks; ++block, blocks += 34, out += 32) {
    const float scale = f16_at(blocks);
    for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<std::int8_t>(blocks[2 + i])) * scale;
  }
}

constexpr DotKernels kScalar = {f32_scalar,        bf16_scalar, axpy_scalar, mxfp4_order_scalar, mxfp4_scalar,
                                mxfp4_gguf_scalar, mxfp4_by4_scalar, mxfp4_gguf_by4_scalar, f16_scalar, q8_scalar,
                                unpack_f16_scalar, unpack_q8_scalar};

#if defined(__x86_64__)
#define TOCCATA_AVX2 __attribute__((target("avx2,fma,f16c")))

TOCCATA_AVX2 inline float sum_lanes(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

TOCCATA_AVX2 inline __m256 load_bf16(const Bf16* p) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
}

TOCCATA_AVX2 float f32_avx2(const float* a, const float* b, int n) {
  __m256 s0 = _mm256_setzero_ps();
  __m256 s1 = s0;
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
  }
  float sum = sum_lanes(_mm256_add_ps(s0, s1));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

TOCCATA_AVX2 float bf16_avx2(const Bf16* w, const float* x, int n) {
  __m256 s0 = _mm256_setzero_ps();
  __m256 s1 = s0;
  __m256 s2 = s0;
  __m256 s3 = s0;
  int i = 0;
  for (; i + 32 <= n; i += 32) {
    s0 = _mm256_fmadd_ps(load_bf16(w + i), _mm256_loadu_ps(x + i), s0);
    s1 = _mm256_fmadd_ps(load_bf16(w + i + 8), _mm256_loadu_ps(x + i + 8), s1);
    s2 = _mm256_fmadd_ps(load_bf16(w + i + 16), _mm256_loadu_ps(x + i + 16), s2);
    s3 = _mm256_fmadd_ps(load_bf16(w + i + 24), _mm256_loadu_ps(x + i + 24), s3);
  }
  float sum = sum_lanes(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
  for (; i < n; ++i) sum += to_f32(w[i]) * x[i];
  return sum;
}

TOCCATA_AVX2 void axpy_avx2(float s, const float* x, float* y, int n) {
  const __m256 factor = _mm256_set1_ps(s);
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(factor, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  for (; i < n; ++i) y[i] += s * x[i];
}

// Eight doubled codes as floats.
TOCCATA_AVX2 inline __m256 widen(__m128i codes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}

// Adds one block's sum to the lanes of `sum`. `first`, `second`: doubled codes of values 0..15 and 16..31.
TOCCATA_AVX2 inline __m256 add_block(__m128i first, __m128i second, const float* x, float half_scale, __m256 sum) {
  __m256 even = _mm256_mul_ps(widen(first), _mm256_loadu_ps(x));
  __m256 odd = _mm256_mul_ps(widen(_mm_srli_si128(first, 8)), _mm256_loadu_ps(x + 8));
  even = _mm256_fmadd_ps(widen(second), _mm256_loadu_ps(x + 16), even);
  odd = _mm256_fmadd_ps(widen(_mm_srli_si128(second, 8)), _mm256_loadu_ps(x + 24), odd);
  return _mm256_fmadd_ps(_mm256_add_ps(even, odd), _mm256_set1_ps(half_scale), sum);
}

TOCCATA_AVX2 inline __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

// Codes of values 0..15 in the lower half, of 16..31 in the upper one.
struct PairedCodes {  // value 2j in the low nibble of byte j, 2j + 1 in the high one
  TOCCATA_AVX2 static __m256i read(const std::uint8_t* p) {
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i raw = load16(p);
    const __m128i low = _mm_and_si128(raw, nibble);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(raw, 4), nibble);
    return _mm256_set_m128i(_mm_unpackhi_epi8(low, high), _mm_unpacklo_epi8(low, high));
  }
};
struct HalvedCodes {  // value j in the low nibble, 16 + j in the high one
  TOCCATA_AVX2 static __m256i read(const std::uint8_t* p) {
    const __m256i both = _mm256_broadcastsi128_si256(load16(p));
    return _mm256_and_si256(_mm256_srlv_epi64(both, _mm256_set_epi64x(4, 4, 0, 0)), _mm256_set1_epi8(15));
  }
};

// The doubled values are bf16 numbers, so a look-up for each of their two bytes gives the upper half of the f32. In the order
// in which interleaving leaves them: vector v has values 4v..4v+3 and 16+4v..16+4v+3.
struct Mxfp4Values {
  __m256i low = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      0, -128, 0, 64, -128, -64, 0, 64, 0, -128, 0, 64, -128, -64, 0, 64
  ));
  __m256i high = _mm256_broadcastsi128_si256(_mm_setr_epi8(
      0, 0x3F, 0x40, 0x40, 0x40, 0x40, 0x41, 0x41, 0, -0x41, -0x40, -0x40, -0x40, -0x40, -0x3F, -0x3F
  ));

  TOCCATA_AVX2 Mxfp4Values() {}
  TOCCATA_AVX2 void of(__m256i codes, __m256 out[4]) const {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i l = _mm256_shuffle_epi8(low, codes);
    const __m256i h = _mm256_shuffle_epi8(high, codes);
    const __m256i first = _mm256_unpacklo_epi8(l, h);
    const __m256i second = _mm256_unpackhi_epi8(l, h);
    out[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, first));
    out[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, first));
    out[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, second));
    out[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, second));
  }
};

TOCCATA_AVX2 void mxfp4_order_avx2(const float* x, int n_blocks, float* out) {
  for (int block = 0; block < n_blocks; ++block, x += kMxfp4Block, out += kMxfp4Block) {
    const __m256 v0 = _mm256_loadu_ps(x);
    const __m256 v1 = _mm256_loadu_ps(x + 8);
    const __m256 v2 = _mm256_loadu_ps(x + 16);
    const __m256 v3 = _mm256_loadu_ps(x + 24);
    _mm256_storeu_ps(out, _mm256_permute2f128_ps(v0, v2, 0x20));
    _mm256_storeu_ps(out + 8, _mm256_permute2f128_ps(v0, v2, 0x31));
    _mm256_storeu_ps(out + 16, _mm256_permute2f128_ps(v1, v3, 0x20));
    _mm256_storeu_ps(out + 24, _mm256_permute2f128_ps(v1, v3, 0x31));
  }
}

// One row, blocks and scales `step` and `scale_step` bytes apart, against kVectors vectors.
template <class Codes, int kVectors>
TOCCATA_AVX2 inline void mxfp4_row(
    const std::uint8_t* blocks, int step, const std::uint8_t* scales, int scale_step, const float* const x[], int n_blocks,
    float out[]
) {
  const Mxfp4Values values;
  const auto& half_scales = mxfp4_half_scales();
  __m256 sums[kVectors];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (int block = 0; block < n_blocks; ++block, blocks += step, scales += scale_step) {
    __m256 w[4];
    values.of(Codes::read(blocks), w);
    const __m256 scale = _mm256_broadcast_ss(&half_scales[*scales]);
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      const float* v = x[i] + block * kMxfp4Block;
      __m256 part = _mm256_mul_ps(w[0], _mm256_loadu_ps(v));
      part = _mm256_fmadd_ps(w[1], _mm256_loadu_ps(v + 8), part);
      part = _mm256_fmadd_ps(w[2], _mm256_loadu_ps(v + 16), part);
      part = _mm256_fmadd_ps(w[3], _mm256_loadu_ps(v + 24), part);
      sums[i] = _mm256_fmadd_ps(part, scale, sums[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) out[i] = sum_lanes(sums[i]);
}

constexpr int kGgufBlockBytes = 1 + kMxfp4BlockBytes;  // the scale, then the codes

TOCCATA_AVX2 float mxfp4_avx2(const std::uint8_t* blocks, const std::uint8_t* scales, const float* x, int n_blocks) {
  float out = 0;
  mxfp4_row<PairedCodes, 1>(blocks, kMxfp4BlockBytes, scales, 1, &x, n_blocks, &out);
  return out;
}

TOCCATA_AVX2 float mxfp4_gguf_avx2(const std::uint8_t* blocks, const float* x, int n_blocks) {
  float out = 0;
  mxfp4_row<HalvedCodes, 1>(blocks + 1, kGgufBlockBytes, blocks, kGgufBlockBytes, &x, n_blocks, &out);
  return out;
}

TOCCATA_AVX2 void mxfp4_by4_avx2(
    const std::uint8_t* blocks, const std::uint8_t* scales, const float* const x[4], int n_blocks, float out[4]
) {
  mxfp4_row<PairedCodes, 4>(blocks, kMxfp4BlockBytes, scales, 1, x, n_blocks, out);
}

TOCCATA_AVX2 void mxfp4_gguf_by4_avx2(
    const std::uint8_t* blocks, const float* const x[4], int n_blocks, float out[4]
) {
  mxfp4_row<HalvedCodes, 4>(blocks + 1, kGgufBlockBytes, blocks, kGgufBlockBytes, x, n_blocks, out);
}

TOCCATA_AVX2 float f16_avx2(const std::byte* w, const float* x, int n) {
  __m256 s0 = _mm256_setzero_ps();
  __m256 s1 = s0;
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = _mm256_fmadd_ps(_mm256_cvtph_ps(load16(w + 2 * i)), _mm256_loadu_ps(x + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_cvtph_ps(load16(w + 2 * i + 16)), _mm256_loadu_ps(x + i + 8), s1);
  }
  float sum = sum_lanes(_mm256_add_ps(s0, s1));
  for (; i < n; ++i) sum += f16_at(w + 2 * i) * x[i];
  return sum;
}

TOCCATA_AVX2 float q8_avx2(const std::byte* blocks, const float* x, int n_blocks) {
  __m256 sum = _mm256_setzero_ps();
  for (int block = 0; block < n_blocks; ++block, blocks += 34, x += 32) {
    sum = add_block(load16(blocks + 2), load16(blocks + 18), x, f16_at(blocks), sum);
  }
  return sum_lanes(sum);
}

TOCCATA_AVX2 void unpack_f16_avx2(const std::byte* w, int n, float* out) {
  int i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(load16(w + 2 * i)));
  for (; i < n; ++i) out[i] = f16_at(w + 2 * i);
}

TOCCATA_AVX2 void unpack_q8_avx2(const std::byte* blocks, int n_blocks, float* out) {
  for (int block = 0; block < n_blocks; ++block, blocks += 34, out += 32) {
    const __m256 scale = _mm256_set1_ps(f16_at(blocks));
    const __m128i first = load16(blocks + 2), second = load16(blocks + 18);
    _mm256_storeu_ps(out, _mm256_mul_ps(widen(first), scale));
    _mm256_storeu_ps(out + 8, _mm256_mul_ps(widen(_mm_srli_si128(first, 8)), scale));
    _mm256_storeu_ps(out + 16, _mm256_mul_ps(widen(second), scale));
    _mm256_storeu_ps(out + 24, _mm256_mul_ps(widen(_mm_srli_si128(second, 8)), scale));
  }
}

constexpr DotKernels kAvx2 = {f32_avx2,        bf16_avx2, axpy_avx2, mxfp4_order_avx2, mxfp4_avx2,
                              mxfp4_gguf_avx2, mxfp4_by4_avx2, mxfp4_gguf_by4_avx2, f16_avx2, q8_avx2,
                              unpack_f16_avx2, unpack_q8_avx2};
#endif

}  // namespace

const DotKernels& scalar_dot_kernels() { return kScalar; }

const DotKernels& dot_kernels() {
#if defined(__x86_64__)
  if (cpu_features().avx2_fma) return kAvx2;
#endif
  return kScalar;
}

const std::array<float, 256>& mxfp4_half_scales() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> t{};
    for (int scale = 0; scale < 256; ++scale) {
      t[static_cast<std::size_t>(scale)] = std::ldexp(1.0F, scale - 128);
    }
    return t;
  }();
  return table;
}

void mxfp4_decode(const std::uint8_t* codes, std::uint8_t scale, float* values) {
  const float half = mxfp4_half_scales()[scale];
  for (int j = 0; j < kMxfp4BlockBytes; ++j) {
    values[2 * j] = static_cast<float>(kMxfp4Doubled[codes[j] & 15]) * half;
    values[2 * j + 1] = static_cast<float>(kMxfp4Doubled[codes[j] >> 4]) * half;
  }
}

}  // namespace toccata::ops
