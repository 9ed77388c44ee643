// The tensor cores' m16n8k16 in bf16 with f32 sums, as a function of fragments.
//
// Lane = 4 g + i. A [16, 16]: a[0] row g, columns 2i, 2i+1; a[1] row g + 8; a[2], a[3] the same, columns + 8.
// B [16, 8]: b[0] rows 2i, 2i+1 of column g; b[1] rows + 8. D [16, 8]: d[0], d[1] row g, columns 2i, 2i+1; d[2], d[3] row
// g + 8. Lower half of a word = lower index. Source: PTX ISA, "Matrix Fragments for mma.m16n8k16".
#pragma once

#include "core/cuda/platform.cuh"

namespace toccata::cuda {

// d += a b
TOCCATA_DEVICE void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])
  );
#else
  struct Fragments {
    const std::uint32_t* a;
    const std::uint32_t* b;
  } mine{a, b};
  emulation::show(&mine);
  const unsigned lane = lane_here();
  const unsigned g = lane / 4;
  const unsigned i = lane % 4;
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned c = 0; c < 2; ++c) {
      float sum = d[2 * half + c];
      for (unsigned k = 0; k < 16; ++k) {
        const unsigned source = k % 8 / 2;
        const auto* row = static_cast<const Fragments*>(emulation::shown(4 * g + source));
        const auto* column = static_cast<const Fragments*>(emulation::shown(4 * (2 * i + c) + source));
        const std::uint32_t wa = row->a[half + (k >= 8 ? 2 : 0)];
        const std::uint32_t wb = column->b[k >= 8 ? 1 : 0];
        sum += (k % 2 == 0 ? bf16_low(wa) : bf16_high(wa)) * (k % 2 == 0 ? bf16_low(wb) : bf16_high(wb));
      }
      d[2 * half + c] = sum;
    }
  }
  emulation::warp_barrier();
#endif
}

}  // namespace toccata::cuda
