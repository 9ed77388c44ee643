// Inner products of 8-bit activations with MXFP4 and Q8_0 rows: the fast mode's arithmetic. Activations are rounded to
// int8 in blocks of 32 with one scale each; the products of a block are summed in whole numbers, exactly; blocks are
// added up in f32 in order of their place in the row:
//   sum = fma(whole sum of block b, weight scale b * activation scale b, sum),  b = 0, 1, ...
// So every form (one token or many, AVX2, VNNI on 256 or 512 bits, scalar) gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace toccata::ops {

inline constexpr int kInt8Block = 32;
// MXFP4 codes are taken as 0..24: doubled value + 12, so that they can stand on the unsigned side of a byte product.
inline constexpr int kMxfp4Bias = 12;
alignas(16) inline constexpr std::uint8_t kMxfp4Codes[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

// 32 activations of one token.
struct Int8Block {
  std::int8_t q[kInt8Block];   // round(x / scale), in the order the kernel wants
  float scale;                 // largest magnitude / 127; NaN when a value was not finite
  std::int16_t correction[2];  // -12 * sum of q[i] with i % 4 in {0, 1}; in {2, 3}

  // What is too much in a sum of products of q with signed weights on the unsigned side, 128 too high, to be added.
  int excess() const { return (correction[0] + correction[1]) / kMxfp4Bias * 128; }
};
static_assert(sizeof(Int8Block) == 40);

// Which value stands in q[i]. kHalves: i, the order of Q8_0 and GGUF's MXFP4. kPairs: 2i, then 2(i - 16) + 1, which
// brings the nibbles of the safetensors layout into the same place.
enum class Int8Order { kHalves, kPairs };

// Eight rows of a matrix, wherever the format keeps them: block b of row r has its codes (16 bytes of MXFP4, 32 of Q8_0)
// at codes[r] + b * code_step and its scale (a byte, an f16) at scales[r] + b * scale_step.
struct Rows8 {
  const std::uint8_t* codes[8];
  const std::uint8_t* scales[8];
  int code_step = 0, scale_step = 0;
  // Bytes from each row to the one that is read eight rows later: asked of the memory a group of rows ahead, for a row is
  // over before the processor's own prefetching has seen what it is.
  std::ptrdiff_t ahead = 0;
};

// Memory that is asked for a little at every block: four places, each `step` bytes further a block.
struct Prefetch {
  const std::uint8_t* at[4];
  std::ptrdiff_t step;
};

// The sixteen rows behind these: of each half its first four rows and the other four, or the fours of two matrices in turn.
inline Prefetch next_rows(const Rows8 rows[2], int n_blocks) {
  const std::ptrdiff_t row = std::ptrdiff_t{n_blocks} * rows[0].code_step;
  const bool two_matrices = rows[0].codes[2] - rows[0].codes[0] == row;
  Prefetch next{{}, 4 * std::ptrdiff_t{rows[0].code_step}};
  for (int half = 0; half < 2; ++half) {
    next.at[2 * half] = rows[half].codes[0] + 2 * rows[half].ahead;
    next.at[2 * half + 1] = two_matrices ? rows[half].codes[1] + 2 * rows[half].ahead : next.at[2 * half] + 4 * row;
  }
  return next;
}

// Blocks [first, first + n) of sixteen rows, unpacked once for many tokens.
inline constexpr int kPanelRows = 16;
inline constexpr int kPanelBlocks = 32;
struct Panel {
  // [block][i / 4][row][i % 4]: MXFP4 codes as 0..24, or Q8_0's int8.
  alignas(64) std::uint8_t codes[kPanelBlocks][8][kPanelRows][4];
  alignas(64) float scales[kPanelBlocks][kPanelRows];
};

inline constexpr int kDotTokens = 3;    // most tokens of one dot
inline constexpr int kPanelAtOnce = 4;  // and of one panel_dot

struct Int8Format {
  // Rows 0..7 from rows[0], 8..15 from rows[1], here and below: out[t][r] = row r . x[t], r < 16, t < n_tokens.
  void (*dot)(const Rows8 rows[2], const Int8Block* const x[], int n_tokens, int n_blocks, float* const out[]);
  void (*unpack)(const Rows8 rows[2], int first, int n_blocks, Panel& panel);
  // sums[t][r] += the panel's part of row r . x[t]; x[t] points at the panel's first block. `next` may be null.
  void (*panel_dot)(
      const Panel& panel, const Int8Block* const x[], int n_tokens, int n_blocks, float* const sums[], const Prefetch* next
  );
};

struct Int8Kernels {
  void (*quantize)(const float* x, int n_blocks, Int8Order order, Int8Block* out);
  Int8Format mxfp4, q8;
};

// The fastest the processor has.
const Int8Kernels& int8_kernels();
// The scalar forms: the oracle of the tests.
const Int8Kernels& scalar_int8_kernels();
// Null where the processor lacks the instructions.
const Int8Kernels* avx2_int8_kernels();
const Int8Kernels* avx_vnni_int8_kernels();
const Int8Kernels* avx512_vnni_int8_kernels();
const Int8Kernels* avx512_vbmi_int8_kernels();

}  // namespace toccata::ops
