#include "core/base/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace toccata {
namespace {

#if defined(__x86_64__)
// Clang 14 has no names for these.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = [] {
    CpuFeatures f;
#if defined(__x86_64__)
    f.avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    f.avx_vnni = f.avx2_fma && has_avx_vnni();
    f.avx512_vnni = f.avx2_fma && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
    f.avx512_vbmi = f.avx512_vnni && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512dq");
#endif
    return f;
  }();
  return features;
}

}  // namespace toccata
