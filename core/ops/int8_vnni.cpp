#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512vnni")))

// Four products and the sum in one instruction, in 32 bits: nothing can leave the range.
TOCCATA_ISA inline __m256i accumulate(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_epi32(sum, u, s); }
TOCCATA_ISA inline __m256i start_small(__m256i correction) {
  return _mm256_madd_epi16(correction, _mm256_set1_epi16(1));
}
TOCCATA_ISA inline __m256i accumulate_small(__m256i sum, __m256i u, __m256i s) { return accumulate(sum, u, s); }
TOCCATA_ISA inline __m256i whole_small(__m256i sum) { return sum; }

#include "core/ops/int8_x86.inl"

}  // namespace

const Int8Kernels* vnni_int8_kernels() { return cpu_features().avx512_vnni ? &kKernels : nullptr; }

}  // namespace toccata::ops

#else

namespace toccata::ops {
const Int8Kernels* vnni_int8_kernels() { return nullptr; }
}  // namespace toccata::ops

#endif
