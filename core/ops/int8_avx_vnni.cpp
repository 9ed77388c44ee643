#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c,avxvnni")))

// Four products and the sum in one instruction, in 32 bits: nothing can leave the range.
TOCCATA_ISA inline __m256i accumulate_small(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_avx_epi32(sum, u, s); }
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

constexpr Int8Kernels kKernels = {
    quantize,
    {dot<Mxfp4Rows>, unpack<Mxfp4Rows>, panel_dot<Mxfp4Rows>},
    {dot<Q8Rows>, unpack<Q8Rows>, panel_dot<Q8Rows>},
};

}  // namespace

const Int8Kernels* avx_vnni_int8_kernels() { return cpu_features().avx_vnni ? &kKernels : nullptr; }

}  // namespace toccata::ops

#else

namespace toccata::ops {
const Int8Kernels* avx_vnni_int8_kernels() { return nullptr; }
}  // namespace toccata::ops

#endif
