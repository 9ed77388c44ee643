// Inner products: where nearly all the time goes. Each has a readable scalar form and an AVX2 one chosen at run time.
// Every form sums in one fixed order that depends on n alone, so a row gives the same bits whether it is computed alone
// or in a batch, by whichever thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bf16.h"

namespace toccata::ops {

struct DotKernels {
  // sum of a[i] * b[i], i < n.
  float (*f32)(const float* a, const float* b, int n);
  // sum of w[i] * x[i] with bf16 weights.
  float (*bf16)(const Bf16* w, const float* x, int n);
  // y[i] += s * x[i].
  void (*axpy)(float s, const float* x, float* y, int n);
  // x [32 * n_blocks] in the order in which the four below read it; `out` may be x.
  void (*mxfp4_order)(const float* x, int n_blocks, float* out);
  // One MXFP4 row of n_blocks blocks against an ordered x.
  float (*mxfp4)(const std::uint8_t* blocks, const std::uint8_t* scales, const float* x, int n_blocks);
  // The same sum, to the bit, from GGUF blocks of 17 bytes.
  float (*mxfp4_gguf)(const std::uint8_t* blocks, const float* x, int n_blocks);
  // The same for four vectors at once: the codes are unpacked once. Each sum has the bits of mxfp4 (mxfp4_gguf).
  void (*mxfp4_by4)(
      const std::uint8_t* blocks, const std::uint8_t* scales, const float* const x[4], int n_blocks, float out[4]
  );
  void (*mxfp4_gguf_by4)(const std::uint8_t* blocks, const float* const x[4], int n_blocks, float out[4]);
  // A row of a GGUF matrix: f16, or Q8_0 blocks of 34 bytes. No alignment needed. x [n], [32 * n_blocks].
  float (*f16)(const std::byte* w, const float* x, int n);
  float (*q8)(const std::byte* blocks, const float* x, int n_blocks);
  // The same kinds of rows as f32, exactly.
  void (*unpack_f16)(const std::byte* w, int n, float* out);
  void (*unpack_q8)(const std::byte* blocks, int n_blocks, float* out);
};

// The fastest the processor has.
const DotKernels& dot_kernels();
// The scalar forms: the oracle of the tests.
const DotKernels& scalar_dot_kernels();

}  // namespace toccata::ops
