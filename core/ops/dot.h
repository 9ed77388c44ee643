// Inner products: where nearly all the time goes. Each has a readable scalar form and an AVX2 one chosen at run time.
// Every form sums in one fixed order that depends on n alone, so a row gives the same bits whether it is computed alone
// or in a batch, by whichever thread.
#pragma once

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
  // One MXFP4 row of n_blocks blocks against x [32 * n_blocks].
  float (*mxfp4)(const std::uint8_t* blocks, const std::uint8_t* scales, const float* x, int n_blocks);
};

// The fastest the processor has.
const DotKernels& dot_kernels();
// The scalar forms: the oracle of the tests.
const DotKernels& scalar_dot_kernels();

}  // namespace toccata::ops
