#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c")))

// A pair of products is at most 2 * 24 * 127 = 6096. Eight of them may leave 16 bits, but with the correction the sum is
// within 16 * 12 * 127 = 24384, so what wrapped around has wrapped back.
TOCCATA_ISA inline __m256i start_small(__m256i correction) { return correction; }
TOCCATA_ISA inline __m256i accumulate_small(__m256i sum, __m256i u, __m256i s) {
  return _mm256_add_epi16(sum, _mm256_maddubs_epi16(u, s));
}
TOCCATA_ISA inline __m256i whole_small(__m256i sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
TOCCATA_ISA inline __m256i start_signed(const Int8Block&) { return _mm256_setzero_si256(); }
// |w| * (s with w's sign): -128 is 128 on the unsigned side. 2 * 128 * 127 = 32512 is just within 16 bits.
TOCCATA_ISA inline __m256i accumulate_signed(__m256i sum, __m256i w, __m256i s) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(s, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "core/ops/int8_x86.inl"

constexpr Int8Kernels kKernels = {
    quantize,
    {dot<Mxfp4Rows>, unpack<Mxfp4Rows>, panel_dot<Mxfp4Rows>},
    {dot<Q8Rows>, unpack<Q8Rows>, panel_dot<Q8Rows>},
};

}  // namespace

const Int8Kernels* avx2_int8_kernels() { return cpu_features().avx2_fma ? &kKernels : nullptr; }

}  // namespace toccata::ops

#else

namespace toccata::ops {
const Int8Kernels* avx2_int8_kernels() { return nullptr; }
}  // namespace toccata::ops

#endif
