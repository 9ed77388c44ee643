#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")))

TOCCATA_ISA inline __m256i accumulate_small(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_epi32(sum, u, s); }

#include "core/ops/int8_vnni.inl"

struct Mxfp4Wide {
  TOCCATA_ISA static inline __m512i codes(const std::uint8_t (&line)[kPanelRows][4]) { return _mm512_load_si512(line); }
  TOCCATA_ISA static inline __m512i start(const Int8Block& x) { return _mm512_set1_epi32(x.correction[0] + x.correction[1]); }
};
struct Q8Wide {
  TOCCATA_ISA static inline __m512i codes(const std::uint8_t (&line)[kPanelRows][4]) {
    return _mm512_xor_si512(_mm512_load_si512(line), _mm512_set1_epi8(-128));
  }
  TOCCATA_ISA static inline __m512i start(const Int8Block& x) { return _mm512_set1_epi32(x.excess()); }
};

TOCCATA_ISA inline __m512i spread4_wide(const void* p) {
  std::int32_t four = 0;
  std::memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

// Sixteen rows of MXFP4 for few tokens, straight from memory.
class WidePlaces {
 public:
  // Rows of each half as EvenPlaces wants them, all at the same distances.
  TOCCATA_ISA static bool fits(const Rows8 rows[2], int n_blocks) {
    bool fits = n_blocks >= 6 && rows[1].codes[2] - rows[1].codes[0] == rows[0].codes[2] - rows[0].codes[0];
    for (int half = 0; half < 2; ++half) {
      fits &= are_even(rows[half].codes);
      for (const std::uint8_t* scale : rows[half].scales) {
        const std::ptrdiff_t offset = scale - rows[0].scales[0];
        fits &= offset == static_cast<std::int32_t>(offset);
      }
    }
    return fits;
  }
  TOCCATA_ISA explicit WidePlaces(const Rows8 rows[2])
      : low_(rows[0].codes), high_(rows[1].codes), scales_(rows[0].scales[0]), code_step_(rows[0].code_step),
        scale_step_(rows[0].scale_step), alone_(rows[0].scale_step < 4) {
    alignas(64) std::int32_t offsets[kPanelRows];
    for (int r = 0; r < kPanelRows; ++r) offsets[r] = static_cast<std::int32_t>(rows[r / 8].scales[r % 8] - scales_);
    offsets_ = _mm512_load_si512(offsets);
  }
  void forward() {
    low_.forward(code_step_);
    high_.forward(code_step_);
    scales_ += scale_step_;
    ++block_;
  }
  // out[d], lane r: bytes 4d..4d+3 of row r.
  TOCCATA_ISA void transpose(__m512i out[4]) const {
    const __m512i v0 = four<0>(), v1 = four<1>(), v2 = four<2>(), v3 = four<3>();
    const __m512i t0 = _mm512_unpacklo_epi32(v0, v1);
    const __m512i t1 = _mm512_unpackhi_epi32(v0, v1);
    const __m512i t2 = _mm512_unpacklo_epi32(v2, v3);
    const __m512i t3 = _mm512_unpackhi_epi32(v2, v3);
    out[0] = _mm512_unpacklo_epi64(t0, t2);
    out[1] = _mm512_unpackhi_epi64(t0, t2);
    out[2] = _mm512_unpacklo_epi64(t1, t3);
    out[3] = _mm512_unpackhi_epi64(t1, t3);
  }
  // Gathered as words of four bytes. Where a scale is not followed by its codes, what comes before it is read with it, and
  // after it only at the row's beginning: never anything outside the row.
  TOCCATA_ISA __m512 scales() const {
    const bool behind = alone_ && block_ >= 3;
    __m512i word = _mm512_i32gather_epi32(offsets_, scales_ - (behind ? 3 : 0), 1);
    word = behind ? _mm512_srli_epi32(word, 24) : _mm512_and_si512(word, _mm512_set1_epi32(255));
    return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(word, 23)), _mm512_set1_ps(0.5F));
  }

 private:
  template <int kRow>
  TOCCATA_ISA __m512i four() const {
    __m512i v = _mm512_castsi128_si512(load16(low_.at<kRow>()));
    v = _mm512_inserti32x4(v, load16(low_.at<kRow + 4>()), 1);
    v = _mm512_inserti32x4(v, load16(high_.at<kRow>()), 2);
    return _mm512_inserti32x4(v, load16(high_.at<kRow + 4>()), 3);
  }
  EvenPlaces low_, high_;
  const std::uint8_t* scales_;
  std::ptrdiff_t code_step_, scale_step_;
  bool alone_;
  int block_ = 0;
  __m512i offsets_;
};

template <int kTokens>
TOCCATA_ISA inline void dot_wide_of(const Rows8 rows[2], const Int8Block* const x[], int n_blocks, float* const out[]) {
  WidePlaces places(rows);
  const __m512i table = _mm512_broadcast_i32x4(load16(kMxfp4Codes));
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512 sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_setzero_ps();
  Prefetch next = next_rows(rows, n_blocks);
  for (int b = 0; b < n_blocks; ++b) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(next.at[i]), _MM_HINT_T1);
      next.at[i] += next.step;
    }
    __m512i raw[4];
    places.transpose(raw);
    const __m512 of_weights = places.scales();
    __m512i even[kTokens], odd[kTokens];
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t) {
      even[t] = Mxfp4Wide::start(x[t][b]);
      odd[t] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int d = 0; d < 4; ++d) {
      const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(raw[d], nibble));
      const __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(raw[d], 4), nibble));
#pragma GCC unroll 3
      for (int t = 0; t < kTokens; ++t) {
        even[t] = _mm512_dpbusd_epi32(even[t], low, spread4_wide(x[t][b].q + 4 * d));
        odd[t] = _mm512_dpbusd_epi32(odd[t], high, spread4_wide(x[t][b].q + 16 + 4 * d));
      }
    }
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t) {
      const __m512 scale = _mm512_mul_ps(of_weights, _mm512_set1_ps(x[t][b].scale));
      sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(even[t], odd[t])), scale, sums[t]);
    }
    places.forward();
  }
  for (int t = 0; t < kTokens; ++t) _mm512_storeu_ps(out[t], sums[t]);
}

TOCCATA_ISA void dot_wide(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]) {
  if (!WidePlaces::fits(rows, n_blocks)) return dot<Mxfp4Rows>(rows, x, n_tokens, n_blocks, out);
  if (n_tokens == 1) return dot_wide_of<1>(rows, x, n_blocks, out);
  if (n_tokens == 2) return dot_wide_of<2>(rows, x, n_blocks, out);
  dot_wide_of<3>(rows, x, n_blocks, out);
}

// Sixteen rows are one register. Two sums a token, so that one instruction does not wait for the one before.
template <class Format, int kTokens>
TOCCATA_ISA inline void panel_wide_of(
    const Panel& panel, const Int8Block* const x[], int n_blocks, float* const out[], const Prefetch* next
) {
  __m512 sums[kTokens];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_loadu_ps(out[t]);
  for (int b = 0; b < n_blocks; ++b) {
    if (next != nullptr) ask(*next, b);
    __m512i even[kTokens], odd[kTokens];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) {
      even[t] = Format::start(x[t][b]);
      odd[t] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int d = 0; d < 8; d += 2) {
      const __m512i first = Format::codes(panel.codes[b][d]);
      const __m512i second = Format::codes(panel.codes[b][d + 1]);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) {
        even[t] = _mm512_dpbusd_epi32(even[t], first, spread4_wide(x[t][b].q + 4 * d));
        odd[t] = _mm512_dpbusd_epi32(odd[t], second, spread4_wide(x[t][b].q + 4 * d + 4));
      }
    }
    const __m512 of_weights = _mm512_load_ps(panel.scales[b]);
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) {
      const __m512 scale = _mm512_mul_ps(of_weights, _mm512_set1_ps(x[t][b].scale));
      sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(even[t], odd[t])), scale, sums[t]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) _mm512_storeu_ps(out[t], sums[t]);
}

template <class Format>
TOCCATA_ISA void panel_wide(
    const Panel& panel, const Int8Block* const x[], int n_tokens, int n_blocks, float* const sums[], const Prefetch* next
) {
  static_assert(kPanelAtOnce == 4 && kPanelRows == 16);
  if (n_tokens == 4) return panel_wide_of<Format, 4>(panel, x, n_blocks, sums, next);
  for (int t = 0; t < n_tokens; ++t) panel_wide_of<Format, 1>(panel, x + t, n_blocks, sums + t, t == 0 ? next : nullptr);
}

constexpr Int8Kernels kKernels = {
    quantize,
    {dot_wide, unpack<Mxfp4Rows>, panel_wide<Mxfp4Wide>},
    {dot<Q8Rows>, unpack<Q8Rows>, panel_wide<Q8Wide>},
};

}  // namespace

const Int8Kernels* avx512_vnni_int8_kernels() { return cpu_features().avx512_vnni ? &kKernels : nullptr; }

}  // namespace toccata::ops

#else

namespace toccata::ops {
const Int8Kernels* avx512_vnni_int8_kernels() { return nullptr; }
}  // namespace toccata::ops

#endif
