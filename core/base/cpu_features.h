#pragma once

namespace toccata {

// What the processor offers, asked once. Kernels choose by it at run time.
struct CpuFeatures {
  bool avx2_fma = false;     // AVX2, FMA and F16C
  bool avx512_vnni = false;  // these and VNNI on 256 bits (AVX-512 VL)
};
const CpuFeatures& cpu_features();

}  // namespace toccata
