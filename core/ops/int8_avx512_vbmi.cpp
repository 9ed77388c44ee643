// Few tokens times sixteen rows on processors that permute bytes across a register (VBMI: Ice Lake, Zen 4, and later).
//
// A register holds neighbouring blocks of one row, as memory does: four of MXFP4, two of Q8_0. Nothing is transposed before
// the products. Each row leaves a few whole numbers a block; those of four rows are added up across lanes together, so that
// sixteen rows end as one register a block, lane r for row r, and go on as in every other form (int8.h: the same bits).
// A code's table look-up is one permutation by the low six bits of each byte, so neither nibble is masked. Scales that stand
// between the codes are picked out of the same registers: a gather, in the form without VBMI, costs Zen 4 as much as all else.
#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))

constexpr int kQ8Step = 34;    // f16 scale and 32 codes
constexpr int kGgufStep = 17;  // E8M0 scale and 16 bytes of codes
constexpr int kSplitStep = 16;

TOCCATA_ISA inline __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
TOCCATA_ISA inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
TOCCATA_ISA inline __m512i load64(const void* p) { return _mm512_loadu_si512(p); }
TOCCATA_ISA inline __m512i load_first(int n, const void* p) { return _mm512_maskz_loadu_epi8((std::uint64_t{1} << n) - 1, p); }

// Lane r: the sum of the four whole numbers in each 128-bit lane of rows[r], a sum a lane.
TOCCATA_ISA inline __m512i sums_in_lanes(const __m512i rows[4]) {
  const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(rows[0], rows[1]), _mm512_unpackhi_epi32(rows[0], rows[1]));
  const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(rows[2], rows[3]), _mm512_unpackhi_epi32(rows[2], rows[3]));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

TOCCATA_ISA inline const std::uint8_t* row_at(const std::uint8_t* const* low, const std::uint8_t* const* high, int r) {
  return r < 8 ? low[r] : high[r - 8];
}

// Adds one block of sixteen rows to the sums.
TOCCATA_ISA inline __m512 with_block(__m512 sum, __m512i whole, int correction, __m512 of_weights, float scale) {
  const __m512 value = _mm512_cvtepi32_ps(_mm512_add_epi32(whole, _mm512_set1_epi32(correction)));
  return _mm512_fmadd_ps(value, _mm512_mul_ps(of_weights, _mm512_set1_ps(scale)), sum);
}

// --- MXFP4, four blocks at a time

// Scales apart from the codes (safetensors).
struct Split {
  static constexpr int kStep = kSplitStep;
  const std::uint8_t* const* scales[2];
  TOCCATA_ISA explicit Split(const Rows8 rows[2]) : scales{rows[0].scales, rows[1].scales} {}
  // The codes of n blocks, a lane each.
  template <bool kWhole>
  TOCCATA_ISA __m512i codes(const std::uint8_t* at, int n) const {
    return kWhole ? load64(at) : load_first(16 * n, at);
  }
  // Bytes of lanes `row` and `row + 1`: the scales of these rows; of other lanes, anything.
  template <bool kWhole>
  TOCCATA_ISA __m512i two_scales(int row, const std::uint8_t*, const std::uint8_t*, int block, int n) const {
    std::uint32_t four[2] = {};
    for (int i = 0; i < 2; ++i) std::memcpy(&four[i], row_at(scales[0], scales[1], row + i) + block, kWhole ? 4 : static_cast<std::size_t>(n));
    const __m512i first = _mm512_set1_epi32(static_cast<int>(four[0]));
    return _mm512_mask_broadcastd_epi32(first, 0xAAAA, _mm_cvtsi32_si128(static_cast<int>(four[1])));
  }
};

// A scale before each block's codes (GGUF).
struct Interleaved {
  static constexpr int kStep = kGgufStep;
  __m512i places, scale_places;
  TOCCATA_ISA explicit Interleaved(const Rows8*) {
    alignas(64) std::uint8_t index[64], of_scale[64];
    for (int i = 0; i < 64; ++i) {
      const int at = kGgufStep * (i / 16) + 1 + i % 16;
      index[i] = static_cast<std::uint8_t>(at < 64 ? at : at - kBehind + 64);
      of_scale[i] = static_cast<std::uint8_t>(kGgufStep * (i % 4) + i / 4 % 2 * 64);
    }
    places = load64(index);
    scale_places = load64(of_scale);
  }
  // `at`: the first code; its scale stands before it.
  template <bool kWhole>
  TOCCATA_ISA static __m512i blocks(const std::uint8_t* at, int n) {
    return kWhole ? load64(at - 1) : load_first(kGgufStep * n, at - 1);
  }
  // Four blocks end four bytes behind the first 64: those come from a second load.
  static constexpr int kBehind = 4 * kGgufStep - 64;
  template <bool kWhole>
  TOCCATA_ISA __m512i codes(const std::uint8_t* at, int n) const {
    const __m512i first = blocks<kWhole>(at, n);
    return _mm512_permutex2var_epi8(first, places, kWhole ? load64(at - 1 + kBehind) : first);
  }
  template <bool kWhole>
  TOCCATA_ISA __m512i two_scales(int, const std::uint8_t* at, const std::uint8_t* next, int, int n) const {
    return _mm512_permutex2var_epi8(blocks<kWhole>(at, n), scale_places, blocks<kWhole>(next, n));
  }
};

template <class Layout, int kTokens, bool kWhole>
TOCCATA_ISA inline __attribute__((always_inline)) void add_four(
    const Layout& layout, __m512i table, const Rows8 rows[2], const Int8Block* const x[], int block, int n, __m512 sums[]
) {
  __m512i low[kTokens], high[kTokens];
  for (int t = 0; t < kTokens; ++t) {
    const Int8Block* q = x[t] + block;
    const auto lane = [&](int i) TOCCATA_ISA { return q + (kWhole || i < n ? i : 0); };
    low[t] = _mm512_castsi128_si512(load16(q->q));
    high[t] = _mm512_castsi128_si512(load16(q->q + 16));
    low[t] = _mm512_inserti32x4(low[t], load16(lane(1)->q), 1);
    high[t] = _mm512_inserti32x4(high[t], load16(lane(1)->q + 16), 1);
    low[t] = _mm512_inserti32x4(low[t], load16(lane(2)->q), 2);
    high[t] = _mm512_inserti32x4(high[t], load16(lane(2)->q + 16), 2);
    low[t] = _mm512_inserti32x4(low[t], load16(lane(3)->q), 3);
    high[t] = _mm512_inserti32x4(high[t], load16(lane(3)->q + 16), 3);
  }
  const std::ptrdiff_t offset = std::ptrdiff_t{block} * Layout::kStep;
  __m512i scales = _mm512_setzero_si512();
  __m512i of_four[kTokens][4];
#pragma GCC unroll 4
  for (int group = 0; group < 4; ++group) {
    __m512i whole[kTokens][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int row = 4 * group + i;
      const std::uint8_t* at = row_at(rows[0].codes, rows[1].codes, row) + offset;
      const __m512i raw = layout.template codes<kWhole>(at, n);
      if (i % 2 == 0) {
        const std::uint8_t* next = row_at(rows[0].codes, rows[1].codes, row + 1) + offset;
        scales = _mm512_mask_mov_epi32(scales, static_cast<__mmask16>(3U << row), layout.template two_scales<kWhole>(row, at, next, block, n));
      }
      const __m512i first = _mm512_permutexvar_epi8(raw, table);
      // A shift by four; Zen shifts where it permutes and multiplies elsewhere.
      const __m512i second = _mm512_permutexvar_epi8(_mm512_mulhi_epu16(raw, _mm512_set1_epi16(1 << 12)), table);
#pragma GCC unroll 3
      for (int t = 0; t < kTokens; ++t) {
        whole[t][i] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), first, low[t]), second, high[t]);
      }
    }
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t) of_four[t][group] = sums_in_lanes(whole[t]);
  }
  const auto scale_of = [&](int b) TOCCATA_ISA {
    const __m512i e = b < 3 ? _mm512_and_si512(_mm512_srli_epi32(scales, static_cast<unsigned>(8 * b)), _mm512_set1_epi32(255))
                            : _mm512_srli_epi32(scales, 24);
    return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(e, 23)), _mm512_set1_ps(0.5F));
  };
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; ++t) {
    // Lane b of each group of four rows -> lane `group` of block b.
    const __m512i ab = _mm512_shuffle_i32x4(of_four[t][0], of_four[t][1], 0x44);
    const __m512i cd = _mm512_shuffle_i32x4(of_four[t][0], of_four[t][1], 0xEE);
    const __m512i ef = _mm512_shuffle_i32x4(of_four[t][2], of_four[t][3], 0x44);
    const __m512i gh = _mm512_shuffle_i32x4(of_four[t][2], of_four[t][3], 0xEE);
    const __m512i block_sums[4] = {
        _mm512_shuffle_i32x4(ab, ef, 0x88), _mm512_shuffle_i32x4(ab, ef, 0xDD), _mm512_shuffle_i32x4(cd, gh, 0x88),
        _mm512_shuffle_i32x4(cd, gh, 0xDD)};
#pragma GCC unroll 4
    for (int b = 0; b < 4; ++b) {
      if (!kWhole && b >= n) break;
      const Int8Block& q = x[t][block + b];
      sums[t] = with_block(sums[t], block_sums[b], q.correction[0] + q.correction[1], scale_of(b), q.scale);
    }
  }
}

// Asks for kBlocks of the next rows.
template <int kBlocks>
TOCCATA_ISA inline void ask(Prefetch& next) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const std::ptrdiff_t bytes = kBlocks * next.step;
    for (std::ptrdiff_t at = 0; at < bytes; at += 64) _mm_prefetch(reinterpret_cast<const char*>(next.at[i] + at), _MM_HINT_T1);
    next.at[i] += bytes;
  }
}

template <class Layout, int kTokens>
TOCCATA_ISA void mxfp4_of(const Rows8 rows[2], const Int8Block* const x[], int n_blocks, float* const out[]) {
  const Layout layout(rows);
  const __m512i table = _mm512_broadcast_i32x4(load16(kMxfp4Codes));
  Prefetch next = next_rows(rows, n_blocks);
  __m512 sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_setzero_ps();
  int b = 0;
  for (; b + 4 <= n_blocks; b += 4) {
    ask<4>(next);
    add_four<Layout, kTokens, true>(layout, table, rows, x, b, 4, sums);
  }
  if (b < n_blocks) add_four<Layout, kTokens, false>(layout, table, rows, x, b, n_blocks - b, sums);
  for (int t = 0; t < kTokens; ++t) _mm512_storeu_ps(out[t], sums[t]);
}

// --- Q8_0, two blocks at a time

template <int kTokens, bool kWhole>
TOCCATA_ISA inline __attribute__((always_inline)) void add_two(
    __m512i scale_places, const Rows8 rows[2], const Int8Block* const x[], int block, __m512 sums[]
) {
  __m512i q[kTokens];
  for (int t = 0; t < kTokens; ++t) {
    const __m512i first = _mm512_castsi256_si512(load32(x[t][block].q));
    q[t] = kWhole ? _mm512_inserti64x4(first, load32(x[t][block + 1].q), 1) : first;
  }
  const std::ptrdiff_t offset = std::ptrdiff_t{block} * kQ8Step;
  const __m512i high_bits = _mm512_set1_epi8(-128);
  __m512i scales = _mm512_setzero_si512();
  __m512i of_four[kTokens][4];
#pragma GCC unroll 4
  for (int group = 0; group < 4; ++group) {
    __m512i whole[kTokens][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int row = 4 * group + i;
      const std::uint8_t* at = row_at(rows[0].codes, rows[1].codes, row) + offset;
      const __m512i first = _mm512_castsi256_si512(load32(at));
      const __m512i codes = _mm512_xor_si512(kWhole ? _mm512_inserti64x4(first, load32(at + kQ8Step), 1) : first, high_bits);
      if (i % 2 == 0) {
        const std::uint8_t* next = row_at(rows[0].codes, rows[1].codes, row + 1) + offset;
        const __m512i of_two = _mm512_permutex2var_epi16(
            kWhole ? load64(at - 2) : load_first(kQ8Step, at - 2), scale_places, kWhole ? load64(next - 2) : load_first(kQ8Step, next - 2)
        );
        scales = _mm512_mask_mov_epi32(scales, static_cast<__mmask16>(3U << row), of_two);
      }
#pragma GCC unroll 3
      for (int t = 0; t < kTokens; ++t) whole[t][i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), codes, q[t]);
    }
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t) of_four[t][group] = sums_in_lanes(whole[t]);
  }
  const __m512 of_first = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(scales));
  const __m512 of_second = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(scales, 16)));
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; ++t) {
    // Lanes of a group of rows: halves of the first block, halves of the second.
    const auto halves = [&](int a, int c) TOCCATA_ISA {
      return _mm512_add_epi32(
          _mm512_shuffle_i32x4(of_four[t][a], of_four[t][c], 0x88), _mm512_shuffle_i32x4(of_four[t][a], of_four[t][c], 0xDD)
      );
    };
    const __m512i ab = halves(0, 1), cd = halves(2, 3);  // group, block: 00 01 10 11
    const Int8Block& b0 = x[t][block];
    sums[t] = with_block(sums[t], _mm512_shuffle_i32x4(ab, cd, 0x88), b0.excess(), of_first, b0.scale);
    if (kWhole) {
      const Int8Block& b1 = x[t][block + 1];
      sums[t] = with_block(sums[t], _mm512_shuffle_i32x4(ab, cd, 0xDD), b1.excess(), of_second, b1.scale);
    }
  }
}

template <int kTokens>
TOCCATA_ISA void q8_of(const Rows8 rows[2], const Int8Block* const x[], int n_blocks, float* const out[]) {
  alignas(64) std::uint16_t places[32];
  for (int i = 0; i < 32; ++i) places[i] = static_cast<std::uint16_t>(i % 2 * kQ8Step / 2 + i / 2 % 2 * 32);
  const __m512i scale_places = load64(places);
  Prefetch next = next_rows(rows, n_blocks);
  __m512 sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_setzero_ps();
  int b = 0;
  for (; b + 2 <= n_blocks; b += 2) {
    ask<2>(next);
    add_two<kTokens, true>(scale_places, rows, x, b, sums);
  }
  if (b < n_blocks) add_two<kTokens, false>(scale_places, rows, x, b, sums);
  for (int t = 0; t < kTokens; ++t) _mm512_storeu_ps(out[t], sums[t]);
}

// --- Where the layout is another, the form without VBMI.

bool stand_before(const Rows8 rows[2], int bytes) {
  bool all = true;
  for (int half = 0; half < 2; ++half) {
    for (int r = 0; r < 8; ++r) all &= rows[half].scales[r] + bytes == rows[half].codes[r];
  }
  return all;
}

template <class Layout>
TOCCATA_ISA void mxfp4_in(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]) {
  if (n_tokens == 1) return mxfp4_of<Layout, 1>(rows, x, n_blocks, out);
  if (n_tokens == 2) return mxfp4_of<Layout, 2>(rows, x, n_blocks, out);
  mxfp4_of<Layout, 3>(rows, x, n_blocks, out);
}

void mxfp4_dot(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]) {
  const int codes = rows[0].code_step, scales = rows[0].scale_step;
  if (codes == kSplitStep && scales == 1) return mxfp4_in<Split>(rows, x, n_tokens, n_blocks, out);
  if (codes == kGgufStep && scales == kGgufStep && stand_before(rows, 1)) {
    return mxfp4_in<Interleaved>(rows, x, n_tokens, n_blocks, out);
  }
  avx512_vnni_int8_kernels()->mxfp4.dot(rows, x, n_tokens, n_blocks, out);
}

void q8_dot(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]) {
  if (rows[0].code_step != kQ8Step || rows[0].scale_step != kQ8Step || !stand_before(rows, 2)) {
    return avx512_vnni_int8_kernels()->q8.dot(rows, x, n_tokens, n_blocks, out);
  }
  if (n_tokens == 1) return q8_of<1>(rows, x, n_blocks, out);
  if (n_tokens == 2) return q8_of<2>(rows, x, n_blocks, out);
  q8_of<3>(rows, x, n_blocks, out);
}

}  // namespace

const Int8Kernels* avx512_vbmi_int8_kernels() {
  if (!cpu_features().avx512_vbmi || avx512_vnni_int8_kernels() == nullptr) return nullptr;
  static const Int8Kernels kernels = [] {
    Int8Kernels k = *avx512_vnni_int8_kernels();
    k.mxfp4.dot = mxfp4_dot;
    k.q8.dot = q8_dot;
    return k;
  }();
  return &kernels;
}

}  // namespace toccata::ops

#else

namespace toccata::ops {
const Int8Kernels* avx512_vbmi_int8_kernels() { return nullptr; }
}  // namespace toccata::ops

#endif
