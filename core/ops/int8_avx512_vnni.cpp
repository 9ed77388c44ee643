#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")))

// Four products and the sum in one instruction, in 32 bits: nothing can leave the range.
TOCCATA_ISA inline __m256i accumulate_small(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_epi32(sum, u, s); }
TOCCATA_ISA inline __m256i start_small(__m256i correction) {
  return _mm256_madd_epi16(correction, _mm256_set1_epi16(1));
}
TOCCATA_ISA inline __m256i whole_small(__m256i sum) { return sum; }
// Signed weights stand on the unsigned side 128 too high: 128 times the activations' sum is taken off.
inline int excess(const Int8Block& x) { return (x.correction[0] + x.correction[1]) / kMxfp4Bias * 128; }
TOCCATA_ISA inline __m256i start_signed(const Int8Block& x) { return _mm256_set1_epi32(excess(x)); }
TOCCATA_ISA inline __m256i accumulate_signed(__m256i sum, __m256i w, __m256i s) {
  return accumulate_small(sum, _mm256_xor_si256(w, _mm256_set1_epi8(-128)), s);
}

#include "core/ops/int8_x86.inl"

struct Mxfp4Wide {
  TOCCATA_ISA static inline __m512i codes(const std::uint8_t (&line)[kPanelRows][4]) { return _mm512_load_si512(line); }
  TOCCATA_ISA static inline __m512i start(const Int8Block& x) { return _mm512_set1_epi32(x.correction[0] + x.correction[1]); }
};
struct Q8Wide {
  TOCCATA_ISA static inline __m512i codes(const std::uint8_t (&line)[kPanelRows][4]) {
    return _mm512_xor_si512(_mm512_load_si512(line), _mm512_set1_epi8(-128));
  }
  TOCCATA_ISA static inline __m512i start(const Int8Block& x) { return _mm512_set1_epi32(excess(x)); }
};

TOCCATA_ISA inline __m512i spread4_wide(const void* p) {
  std::int32_t four = 0;
  std::memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

// Sixteen rows are one register. Two sums a token, so that one instruction does not wait for the one before.
template <class Format, int kTokens>
TOCCATA_ISA inline void panel_wide_of(const Panel& panel, const Int8Block* const x[], int n_blocks, float* const out[]) {
  __m512 sums[kTokens];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_loadu_ps(out[t]);
  for (int b = 0; b < n_blocks; ++b) {
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
TOCCATA_ISA void panel_wide(const Panel& panel, const Int8Block* const x[], int n_tokens, int n_blocks, float* const sums[]) {
  static_assert(kPanelAtOnce == 4 && kPanelRows == 16);
  if (n_tokens == 4) return panel_wide_of<Format, 4>(panel, x, n_blocks, sums);
  for (int t = 0; t < n_tokens; ++t) panel_wide_of<Format, 1>(panel, x + t, n_blocks, sums + t);
}

constexpr Int8Kernels kKernels = {
    quantize,
    {dot8<Mxfp4Rows>, unpack<Mxfp4Rows>, panel_wide<Mxfp4Wide>},
    {dot8<Q8Rows>, unpack<Q8Rows>, panel_wide<Q8Wide>},
};

}  // namespace

const Int8Kernels* avx512_vnni_int8_kernels() { return cpu_features().avx512_vnni ? &kKernels : nullptr; }

}  // namespace toccata::ops

#else

namespace toccata::ops {
const Int8Kernels* avx512_vnni_int8_kernels() { return nullptr; }
}  // namespace toccata::ops

#endif
