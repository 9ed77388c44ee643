#pragma once

namespace toccata {

// What the processor offers, asked once. Kernels choose by it at run time.
struct CpuFeatures {
  bool avx2_fma = false;     // AVX2, FMA and F16C
  bool avx_vnni = false;     // these and VNNI in AVX's own encoding, on 256 bits: laptops without AVX-512
  bool avx512_vnni = false;  // AVX2 and VNNI on 512 bits, and on 256 (AVX-512 BW and VL)
  bool avx512_vbmi = false;  // these, DQ, and bytes permuted across 512 bits
};
const CpuFeatures& cpu_features();

}  // namespace toccata
