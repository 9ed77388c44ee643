// The vector forms of int8.h on 256 bits, included once per instruction set. The includer defines
//   TOCCATA_ISA                      the target attribute of every function here
//   accumulate_small(sum, u, s)      sum + products of unsigned codes 0..24 with signed bytes
//   start_small(correction), whole_small(sum)   that sum's first value and its eight whole numbers
//   accumulate_signed(sum, w, s)     eight whole numbers, + products of signed bytes; s is never -128
//   start_signed(block)              that sum's first value
// and the table of kernels below it.
// Eight rows stand side by side: lane r holds row r, so a block's whole numbers need no sum across lanes.

TOCCATA_ISA inline __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

TOCCATA_ISA inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// The four bytes at p in all lanes.
TOCCATA_ISA inline __m256i spread4(const void* p) {
  std::int32_t four = 0;
  std::memcpy(&four, p, sizeof four);
  return _mm256_set1_epi32(four);
}

TOCCATA_ISA inline __m256i both_halves(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load16(low)), load16(high), 1);
}

// Places in eight rows that go forward together. Anywhere:
struct EightPlaces {
  const std::uint8_t* const* rows;
  std::ptrdiff_t offset = 0;
  template <int kRow>
  TOCCATA_ISA const std::uint8_t* at() const { return rows[kRow] + offset; }
  void forward(std::ptrdiff_t bytes) { offset += bytes; }
};
// Rows of one matrix, or of two in turn: four registers in place of eight pointers that have to be fetched each time.
struct EvenPlaces {
  const std::uint8_t *even, *odd;
  std::ptrdiff_t stride, stride3;
  explicit EvenPlaces(const std::uint8_t* const rows[8]) : even(rows[0]), odd(rows[1]), stride(rows[2] - rows[0]), stride3(3 * stride) {}
  template <int kRow>
  TOCCATA_ISA const std::uint8_t* at() const {
    const std::uint8_t* first = kRow % 2 == 0 ? even : odd;
    if constexpr (kRow / 2 == 3) return first + stride3;
    return first + kRow / 2 * stride;
  }
  void forward(std::ptrdiff_t bytes) {
    even += bytes;
    odd += bytes;
  }
};
inline bool are_even(const std::uint8_t* const rows[8]) {
  bool even = true;
  for (int r = 2; r < 8; ++r) even &= rows[r] == rows[r % 2] + r / 2 * (rows[2] - rows[0]);
  return even;
}

// Sixteen bytes of each of eight rows -> out[d], lane r: bytes 4d..4d+3 of row r.
template <class Places>
TOCCATA_ISA inline void transpose(const Places& rows, std::ptrdiff_t offset, __m256i out[4]) {
  const __m256i v0 = both_halves(rows.template at<0>() + offset, rows.template at<4>() + offset);
  const __m256i v1 = both_halves(rows.template at<1>() + offset, rows.template at<5>() + offset);
  const __m256i v2 = both_halves(rows.template at<2>() + offset, rows.template at<6>() + offset);
  const __m256i v3 = both_halves(rows.template at<3>() + offset, rows.template at<7>() + offset);
  const __m256i t0 = _mm256_unpacklo_epi32(v0, v1);
  const __m256i t1 = _mm256_unpackhi_epi32(v0, v1);
  const __m256i t2 = _mm256_unpacklo_epi32(v2, v3);
  const __m256i t3 = _mm256_unpackhi_epi32(v2, v3);
  out[0] = _mm256_unpacklo_epi64(t0, t2);
  out[1] = _mm256_unpackhi_epi64(t0, t2);
  out[2] = _mm256_unpacklo_epi64(t1, t3);
  out[3] = _mm256_unpackhi_epi64(t1, t3);
}

struct Mxfp4Rows {
  __m256i table = _mm256_broadcastsi128_si256(load16(kMxfp4Codes));
  __m256i nibble = _mm256_set1_epi8(15);

  static constexpr int kLines = 2;  // 64-byte lines that eight rows are in a block, about

  TOCCATA_ISA Mxfp4Rows() {}
  // out[d], lane r: codes 4d..4d+3 of row r, d < 8.
  template <class Places>
  TOCCATA_ISA inline void codes(const Places& rows, __m256i out[8]) const {
    __m256i raw[4];
    transpose(rows, 0, raw);
    for (int d = 0; d < 4; ++d) {
      out[d] = _mm256_shuffle_epi8(table, _mm256_and_si256(raw[d], nibble));
      out[4 + d] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(raw[d], 4), nibble));
    }
  }
  template <class Places>
  TOCCATA_ISA static inline __m256 scales(const Places& rows) {
    __m128i e = _mm_cvtsi32_si128(*rows.template at<0>());
    e = _mm_insert_epi8(e, *rows.template at<1>(), 1);
    e = _mm_insert_epi8(e, *rows.template at<2>(), 2);
    e = _mm_insert_epi8(e, *rows.template at<3>(), 3);
    __m128i f = _mm_cvtsi32_si128(*rows.template at<4>());
    f = _mm_insert_epi8(f, *rows.template at<5>(), 1);
    f = _mm_insert_epi8(f, *rows.template at<6>(), 2);
    f = _mm_insert_epi8(f, *rows.template at<7>(), 3);
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_unpacklo_epi32(e, f));
    return _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(wide, 23)), _mm256_set1_ps(0.5F));
  }
  TOCCATA_ISA static inline __m256i start(const Int8Block& x) { return start_small(spread4(x.correction)); }
  TOCCATA_ISA static inline __m256i add(__m256i sum, __m256i codes, __m256i q) { return accumulate_small(sum, codes, q); }
  TOCCATA_ISA static inline __m256i whole(__m256i sum) { return whole_small(sum); }
};

struct Q8Rows {
  static constexpr int kLines = 4;

  TOCCATA_ISA Q8Rows() {}
  template <class Places>
  TOCCATA_ISA inline void codes(const Places& rows, __m256i out[8]) const {
    transpose(rows, 0, out);
    transpose(rows, 16, out + 4);
  }
  template <class Places>
  TOCCATA_ISA static inline __m256 scales(const Places& rows) {
    const auto half = [](const std::uint8_t* at) TOCCATA_ISA {
      std::uint16_t bits = 0;
      std::memcpy(&bits, at, 2);
      return bits;
    };
    __m128i e = _mm_cvtsi32_si128(half(rows.template at<0>()));
    e = _mm_insert_epi16(e, half(rows.template at<1>()), 1);
    e = _mm_insert_epi16(e, half(rows.template at<2>()), 2);
    e = _mm_insert_epi16(e, half(rows.template at<3>()), 3);
    __m128i f = _mm_cvtsi32_si128(half(rows.template at<4>()));
    f = _mm_insert_epi16(f, half(rows.template at<5>()), 1);
    f = _mm_insert_epi16(f, half(rows.template at<6>()), 2);
    f = _mm_insert_epi16(f, half(rows.template at<7>()), 3);
    return _mm256_cvtph_ps(_mm_unpacklo_epi64(e, f));
  }
  TOCCATA_ISA static inline __m256i start(const Int8Block& x) { return start_signed(x); }
  TOCCATA_ISA static inline __m256i add(__m256i sum, __m256i codes, __m256i q) { return accumulate_signed(sum, codes, q); }
  TOCCATA_ISA static inline __m256i whole(__m256i sum) { return sum; }
};

template <class Format, int kTokens, class Places>
TOCCATA_ISA inline void dot8_at(
    Places codes, Places scales, const Rows8& rows, const Int8Block* const x[], int n_blocks, float* const out[]
) {
  const Format format;
  __m256 sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_setzero_ps();
  const std::ptrdiff_t row = std::ptrdiff_t{n_blocks} * rows.code_step;
  const std::uint8_t* next0 = rows.codes[0] + rows.ahead;
  const std::uint8_t* next1 = rows.codes[2] - rows.codes[0] == row ? rows.codes[1] + rows.ahead : next0 + 4 * row;
  for (int b = 0; b < n_blocks; ++b) {
    for (int i = 0; i < Format::kLines / 2; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(next0 + 64 * i), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(next1 + 64 * i), _MM_HINT_T0);
    }
    next0 += 4 * rows.code_step;
    next1 += 4 * rows.code_step;
    __m256i w[8];
    format.codes(codes, w);
    const __m256 of_weights = Format::scales(scales);
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; ++t) {
      const Int8Block& block = x[t][b];
      __m256i whole = Format::start(block);
      for (int d = 0; d < 8; ++d) whole = Format::add(whole, w[d], spread4(block.q + 4 * d));
      const __m256 scale = _mm256_mul_ps(of_weights, _mm256_set1_ps(block.scale));
      sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(Format::whole(whole)), scale, sums[t]);
    }
    codes.forward(rows.code_step);
    scales.forward(rows.scale_step);
  }
  for (int t = 0; t < kTokens; ++t) _mm256_storeu_ps(out[t], sums[t]);
}

template <class Format, int kTokens>
TOCCATA_ISA void dot8_of(const Rows8& rows, const Int8Block* const x[], int n_blocks, float* const out[]) {
  if (are_even(rows.codes) && are_even(rows.scales)) {
    dot8_at<Format, kTokens>(EvenPlaces(rows.codes), EvenPlaces(rows.scales), rows, x, n_blocks, out);
  } else {
    dot8_at<Format, kTokens>(EightPlaces{rows.codes}, EightPlaces{rows.scales}, rows, x, n_blocks, out);
  }
}

template <class Format>
TOCCATA_ISA void dot(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]) {
  static_assert(kDotTokens == 3);
  for (int half = 0; half < 2; ++half) {
    float* to[kDotTokens] = {};
    for (int t = 0; t < n_tokens; ++t) to[t] = out[t] + 8 * half;
    if (n_tokens == 1) dot8_of<Format, 1>(rows[half], x, n_blocks, to);
    if (n_tokens == 2) dot8_of<Format, 2>(rows[half], x, n_blocks, to);
    if (n_tokens == 3) dot8_of<Format, 3>(rows[half], x, n_blocks, to);
  }
}

template <class Format>
TOCCATA_ISA void unpack(const Rows8 rows[2], int first, int n_blocks, Panel& panel) {
  const Format format;
  for (int b = 0; b < n_blocks; ++b) {
    for (int half = 0; half < 2; ++half) {
      const EightPlaces codes{rows[half].codes, std::ptrdiff_t{first + b} * rows[half].code_step};
      const EightPlaces scales{rows[half].scales, std::ptrdiff_t{first + b} * rows[half].scale_step};
      __m256i w[8];
      format.codes(codes, w);
      for (int d = 0; d < 8; ++d) _mm256_store_si256(reinterpret_cast<__m256i*>(panel.codes[b][d][8 * half]), w[d]);
      _mm256_store_ps(panel.scales[b] + 8 * half, Format::scales(scales));
    }
  }
}

inline void ask(const Prefetch& next, int block) {
  for (const std::uint8_t* at : next.at) {
    at += block * next.step;
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    if (next.step > 64) _mm_prefetch(reinterpret_cast<const char*>(at + 64), _MM_HINT_T1);
  }
}

template <class Format>
TOCCATA_ISA inline void panel_by2(
    const Panel& panel, int n_blocks, const Int8Block* x0, const Int8Block* x1, float* sums0, float* sums1, const Prefetch* next
) {
  __m256 s00 = _mm256_loadu_ps(sums0);
  __m256 s01 = _mm256_loadu_ps(sums0 + 8);
  __m256 s10 = _mm256_loadu_ps(sums1);
  __m256 s11 = _mm256_loadu_ps(sums1 + 8);
  for (int b = 0; b < n_blocks; ++b) {
    if (next != nullptr) ask(*next, b);
    __m256i w00 = Format::start(x0[b]);
    __m256i w01 = w00;
    __m256i w10 = Format::start(x1[b]);
    __m256i w11 = w10;
#pragma GCC unroll 8
    for (int d = 0; d < 8; ++d) {
      const __m256i a = load32(panel.codes[b][d]);
      const __m256i c = load32(panel.codes[b][d][8]);
      const __m256i q0 = spread4(x0[b].q + 4 * d);
      const __m256i q1 = spread4(x1[b].q + 4 * d);
      w00 = Format::add(w00, a, q0);
      w01 = Format::add(w01, c, q0);
      w10 = Format::add(w10, a, q1);
      w11 = Format::add(w11, c, q1);
    }
    const __m256 first = _mm256_load_ps(panel.scales[b]);
    const __m256 second = _mm256_load_ps(panel.scales[b] + 8);
    const __m256 f0 = _mm256_set1_ps(x0[b].scale);
    const __m256 f1 = _mm256_set1_ps(x1[b].scale);
    s00 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(Format::whole(w00)), _mm256_mul_ps(first, f0), s00);
    s01 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(Format::whole(w01)), _mm256_mul_ps(second, f0), s01);
    s10 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(Format::whole(w10)), _mm256_mul_ps(first, f1), s10);
    s11 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(Format::whole(w11)), _mm256_mul_ps(second, f1), s11);
  }
  _mm256_storeu_ps(sums0, s00);
  _mm256_storeu_ps(sums0 + 8, s01);
  _mm256_storeu_ps(sums1, s10);
  _mm256_storeu_ps(sums1 + 8, s11);
}

template <class Format>
TOCCATA_ISA void panel_dot(
    const Panel& panel, const Int8Block* const x[], int n_tokens, int n_blocks, float* const sums[], const Prefetch* next
) {
  for (int t = 0; t < n_tokens; t += 2) {
    // A token without another one is paired with itself; the other sum is left alone.
    float spare[kPanelRows];
    const bool two = t + 1 < n_tokens;
    panel_by2<Format>(panel, n_blocks, x[t], x[two ? t + 1 : t], sums[t], two ? sums[t + 1] : spare, t == 0 ? next : nullptr);
  }
}

// Each step is the scalar form's; a block with a value that is not finite is left to it.
TOCCATA_ISA void quantize(const float* x, int n_blocks, Int8Order order, Int8Block* out) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i evens_first = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)
  );
  for (int b = 0; b < n_blocks; ++b, x += kInt8Block) {
    __m256 v[4];
    // The larger of two floats is the larger of their bits once the sign is gone; infinities and NaNs are the largest.
    __m256i top = _mm256_setzero_si256();
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_loadu_ps(x + 8 * i);
      top = _mm256_max_epi32(top, _mm256_castps_si256(_mm256_and_ps(v[i], magnitude)));
    }
    __m128i half = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xB1));
    const std::int32_t bits = _mm_cvtsi128_si32(half);
    if (bits >= 0x7F800000) {
      scalar_int8_kernels().quantize(x, 1, order, out + b);
      continue;
    }
    const float largest = _mm_cvtss_f32(_mm_castsi128_ps(half));
    const __m256 inverse = _mm256_set1_ps(largest > 1e-36F ? 127.0F / largest : 0.0F);
    __m256i n[4];
    for (int i = 0; i < 4; ++i) n[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
    __m256i q = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
    q = _mm256_permutevar8x32_epi32(q, in_order);
    if (order == Int8Order::kPairs) q = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(q, evens_first), 0xD8);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    __m128i sums = _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0x4E));
    sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0xB1));
    const int correction = _mm_cvtsi128_si32(_mm_mullo_epi16(sums, _mm_set1_epi16(-kMxfp4Bias)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[b].q), q);
    out[b].scale = largest / 127.0F;
    std::memcpy(out[b].correction, &correction, sizeof correction);
  }
}
