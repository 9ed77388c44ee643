// The inside of attention: one query head against a block of keys and values in f32. Each has a readable scalar form and an AVX2 one
// chosen at run time. What a form gives depends on its arguments alone, so a block gives the same bits whoever computes it.
#pragma once

namespace toccata::ops {

struct AttendKernels {
  // scores[i] = scale * (q . rows[i]), i < n.   q, rows[i] [d]
  void (*score)(const float* q, const float* const rows[], int n, int d, float scale, float* scores);
  // scores[i] becomes exp(scores[i] - top), top >= every score; gives their sum. Within 2e-7 of itself; what is not a number stays so.
  float (*weigh)(float* scores, int n, float top);
  // out += sum of weights[i] * rows[i].   out, rows[i] [d]
  void (*gather)(const float* weights, const float* const rows[], int n, int d, float* out);
};

// The fastest the processor has.
const AttendKernels& attend_kernels();
// The scalar forms: the oracle of the tests.
const AttendKernels& scalar_attend_kernels();

}  // namespace toccata::ops
