// Matrices times rounded activations: what linear and experts share in the fast mode.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/model/weights.h"
#include "core/ops/int8.h"
#include "core/ops/linear.h"

namespace toccata::ops {

// Activations of some tokens, rounded. Grows to the largest batch seen; nothing is allocated after.
class Int8Rows {
 public:
  // x [n, width] f32; width is a multiple of 32.
  void assign(ThreadPool& threads, const float* x, int n, int width, Int8Order order);
  // The same in steps: first the shape, then each row, by any thread.
  void resize(int n, int width);
  void assign_row(int i, const float* x, Int8Order order);

  int n_blocks() const { return n_blocks_; }
  const Int8Block* row(int i) const { return blocks_.data() + std::size_t{static_cast<unsigned>(i)} * static_cast<std::size_t>(n_blocks_); }

 private:
  std::vector<Int8Block> blocks_;
  int n_blocks_ = 0;
};

// out = x W^T + b, or out += x W^T + b, with W of type Q8_0 and x rounded in the order kHalves.
void linear_int8(
    ThreadPool& threads, const Int8Rows& x, const model::Linear& w, int n, float* out, Store store = Store::kAssign
);

// Where one row's codes and scales begin.
struct Int8Row {
  const std::uint8_t* codes;
  const std::uint8_t* scales;
};

// Up to sixteen rows; where a matrix has fewer left, its last one stands in for the rest.
struct Rows16 {
  // row_at(r) for r < n_rows.
  template <class RowAt>
  Rows16(int n_rows, const RowAt& row_at) : n(n_rows) {
    for (int r = 0; r < kPanelRows; ++r) {
      const Int8Row row = row_at(std::min(r, n_rows - 1));
      halves[r / 8].codes[r % 8] = row.codes;
      halves[r / 8].scales[r % 8] = row.scales;
    }
    for (Rows8& half : halves) half.ahead = halves[1].codes[0] - halves[0].codes[0];
  }
  void set_steps(int code_step, int scale_step) {
    for (Rows8& half : halves) {
      half.code_step = code_step;
      half.scale_step = scale_step;
    }
  }
  int n;
  Rows8 halves[2];
};

// Part i of n of blocks [first, first + depth), for a kernel that goes through `depth` blocks meanwhile.
inline Prefetch part_of(const Prefetch& rows, int first, int depth, int i, int n) {
  Prefetch part = rows;
  part.step = rows.step / n;
  for (const std::uint8_t*& at : part.at) at += first * rows.step + std::ptrdiff_t{i} * depth * part.step;
  return part;
}

// emit(i, sums[16]) with the product of the rows and input(i), for i < n_tokens. More than a few tokens have rows unpacked
// for them; the bits are the same either way.
template <class Input, class Emit>
void rows_times_tokens(
    const Int8Format& kernels, const Rows16& rows, int n_blocks, int n_tokens, const Input& input, const Emit& emit
) {
  if (n_tokens <= kDotTokens) {
    float sums[kDotTokens][kPanelRows];
    const Int8Block* x[kDotTokens] = {};
    float* to[kDotTokens] = {};
    for (int i = 0; i < n_tokens; ++i) {
      x[i] = input(i);
      to[i] = sums[i];
    }
    kernels.dot(rows.halves, x, n_tokens, n_blocks, to);
    for (int i = 0; i < n_tokens; ++i) emit(i, sums[i]);
    return;
  }
  // A panel, some tokens' part of it and their sums fit the first-level cache; all tokens' parts fit the second.
  constexpr int kTokens = 64;
  Panel panel;
  alignas(64) float sums[kTokens][kPanelRows];
  const Prefetch next = next_rows(rows.halves, n_blocks);
  for (int begin = 0; begin < n_tokens; begin += kTokens) {
    const int count = std::min(kTokens, n_tokens - begin);
    std::memset(sums, 0, sizeof sums);
    for (int first = 0; first < n_blocks; first += kPanelBlocks) {
      const int depth = std::min(kPanelBlocks, n_blocks - first);
      kernels.unpack(rows.halves, first, depth, panel);
      for (int i = 0; i < count; i += kPanelAtOnce) {
        const int some = std::min(kPanelAtOnce, count - i);
        const Int8Block* x[kPanelAtOnce] = {};
        float* to[kPanelAtOnce] = {};
        for (int t = 0; t < some; ++t) {
          x[t] = input(begin + i + t) + first;
          to[t] = sums[i + t];
        }
        // Spread over the first two calls: asked for all at once, what comes next would be waited for.
        const int n_calls = std::min(2, (count + kPanelAtOnce - 1) / kPanelAtOnce);
        const int call = i / kPanelAtOnce;
        const Prefetch part = part_of(next, first, depth, std::min(call, n_calls - 1), n_calls);
        kernels.panel_dot(panel, x, some, depth, to, begin == 0 && call < n_calls ? &part : nullptr);
      }
    }
    for (int i = 0; i < count; ++i) emit(begin + i, sums[i]);
  }
}

}  // namespace toccata::ops
