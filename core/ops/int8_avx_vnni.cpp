#include <cstring>

#include "core/base/cpu_features.h"
#include "core/ops/int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace toccata::ops {
namespace {

#define TOCCATA_ISA __attribute__((target("avx2,fma,f16c,avxvnni")))

TOCCATA_ISA inline __m256i accumulate_small(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_avx_epi32(sum, u, s); }

#include "core/ops/int8_vnni.inl"

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
