#include <cmath>
#include <cstring>
#include <initializer_list>

#include "core/base/cpu_features.h"
#include "core/ops/attend.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace toccata::ops {
namespace {

void score_scalar(const float* q, const float* const rows[], int n, int d, float scale, float* scores) {
  for (int i = 0; i < n; ++i) {
    float sum = 0;
    for (int j = 0; j < d; ++j) sum += q[j] * rows[i][j];
    scores[i] = sum * scale;
  }
}

float weigh_scalar(float* scores, int n, float top) {
  float sum = 0;
  for (int i = 0; i < n; ++i) {
    scores[i] = std::exp(scores[i] - top);
    sum += scores[i];
  }
  return sum;
}

void gather_scalar(const float* weights, const float* const rows[], int n, int d, float* out) {
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < d; ++j) out[j] += weights[i] * rows[i][j];
  }
}

constexpr AttendKernels kScalar = {score_scalar, weigh_scalar, gather_scalar};

#if defined(__x86_64__)
#define TOCCATA_AVX2 __attribute__((target("avx2,fma")))

// The sums of the lanes of eight vectors.
TOCCATA_AVX2 inline __m256 sums_of(const __m256 v[8]) {
  const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

TOCCATA_AVX2 inline float sum_of(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

// Eight keys at a time, so that q is loaded once for them and their sums are taken together; with fewer the last ones are doubled.
TOCCATA_AVX2 void score_avx2(const float* q, const float* const rows[], int n, int d, float scale, float* scores) {
  const __m256 factor = _mm256_set1_ps(scale);
  for (int i = 0; i < n; i += 8) {
    const float* row[8];
    for (int k = 0; k < 8; ++k) row[k] = rows[i + k < n ? i + k : n - 1];
    __m256 part[8];
    for (__m256& p : part) p = _mm256_setzero_ps();
    int j = 0;
    for (; j + 8 <= d; j += 8) {
      const __m256 x = _mm256_loadu_ps(q + j);
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) part[k] = _mm256_fmadd_ps(x, _mm256_loadu_ps(row[k] + j), part[k]);
    }
    alignas(32) float sums[8];
    _mm256_store_ps(sums, sums_of(part));
    for (; j < d; ++j) {
      for (int k = 0; k < 8; ++k) sums[k] += q[j] * row[k][j];
    }
    const __m256 scaled = _mm256_mul_ps(_mm256_load_ps(sums), factor);
    if (i + 8 <= n) {
      _mm256_storeu_ps(scores + i, scaled);
    } else {
      _mm256_store_ps(sums, scaled);
      std::memcpy(scores + i, sums, static_cast<std::size_t>(n - i) * sizeof(float));
    }
  }
}

// exp(x) for x <= 0: 2^n * exp(r) with |r| <= ln 2 / 2, and the Taylor polynomial of degree 7 for exp(r). Below -87 it is taken for -87.
TOCCATA_AVX2 inline __m256 exp_of(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-87.0F), x);  // in this order NaN stays
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375F), x);  // ln 2 in two parts, the first with few bits
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 sum = _mm256_set1_ps(1.0F / 5040);
  for (const float factor : {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F}) {
    sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(factor));
  }
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(sum, _mm256_castsi256_ps(power));
}

TOCCATA_AVX2 float weigh_avx2(float* scores, int n, float top) {
  const __m256 highest = _mm256_set1_ps(top);
  __m256 sum = _mm256_setzero_ps();
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 weights = exp_of(_mm256_sub_ps(_mm256_loadu_ps(scores + i), highest));
    _mm256_storeu_ps(scores + i, weights);
    sum = _mm256_add_ps(sum, weights);
  }
  if (i < n) {
    const __m256i here = _mm256_cmpgt_epi32(_mm256_set1_epi32(n - i), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256 weights = exp_of(_mm256_sub_ps(_mm256_maskload_ps(scores + i, here), highest));
    _mm256_maskstore_ps(scores + i, here, weights);
    sum = _mm256_add_ps(sum, _mm256_and_ps(weights, _mm256_castsi256_ps(here)));
  }
  return sum_of(sum);
}

// 32 values of `out` at a time stay in registers while all rows pass.
TOCCATA_AVX2 void gather_avx2(const float* weights, const float* const rows[], int n, int d, float* out) {
  int j = 0;
  for (; j + 32 <= d; j += 32) {
    __m256 o0 = _mm256_loadu_ps(out + j), o1 = _mm256_loadu_ps(out + j + 8);
    __m256 o2 = _mm256_loadu_ps(out + j + 16), o3 = _mm256_loadu_ps(out + j + 24);
    for (int i = 0; i < n; ++i) {
      const __m256 w = _mm256_set1_ps(weights[i]);
      const float* row = rows[i] + j;
      o0 = _mm256_fmadd_ps(w, _mm256_loadu_ps(row), o0);
      o1 = _mm256_fmadd_ps(w, _mm256_loadu_ps(row + 8), o1);
      o2 = _mm256_fmadd_ps(w, _mm256_loadu_ps(row + 16), o2);
      o3 = _mm256_fmadd_ps(w, _mm256_loadu_ps(row + 24), o3);
    }
    _mm256_storeu_ps(out + j, o0);
    _mm256_storeu_ps(out + j + 8, o1);
    _mm256_storeu_ps(out + j + 16, o2);
    _mm256_storeu_ps(out + j + 24, o3);
  }
  for (; j < d; ++j) {
    for (int i = 0; i < n; ++i) out[j] += weights[i] * rows[i][j];
  }
}

constexpr AttendKernels kAvx2 = {score_avx2, weigh_avx2, gather_avx2};
#endif

}  // namespace

const AttendKernels& scalar_attend_kernels() { return kScalar; }

const AttendKernels& attend_kernels() {
#if defined(__x86_64__)
  if (cpu_features().avx2_fma) return kAvx2;
#endif
  return kScalar;
}

}  // namespace toccata::ops
