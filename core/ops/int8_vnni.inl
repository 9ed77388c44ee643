// The forms of int8_x86.inl with VNNI, included once per encoding of it. The includer defines TOCCATA_ISA and
//   accumulate_small(sum, u, s)   four products and the sum in one instruction, in 32 bits: nothing can leave the range
TOCCATA_ISA inline __m256i start_small(__m256i correction) {
  return _mm256_madd_epi16(correction, _mm256_set1_epi16(1));
}
TOCCATA_ISA inline __m256i whole_small(__m256i sum) { return sum; }
// Signed weights stand on the unsigned side, 128 too high.
TOCCATA_ISA inline __m256i start_signed(const Int8Block& x) { return _mm256_set1_epi32(x.excess()); }
TOCCATA_ISA inline __m256i accumulate_signed(__m256i sum, __m256i w, __m256i s) {
  return accumulate_small(sum, _mm256_xor_si256(w, _mm256_set1_epi8(-128)), s);
}

#include "core/ops/int8_x86.inl"
