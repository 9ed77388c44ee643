#include "core/ops/int8_linear.h"

#include "core/base/error.h"

namespace toccata::ops {

void Int8Rows::resize(int n, int width) {
  TOCCATA_CHECK(width % kInt8Block == 0);
  n_blocks_ = width / kInt8Block;
  const std::size_t needed = static_cast<std::size_t>(n) * static_cast<std::size_t>(n_blocks_);
  if (blocks_.size() < needed) blocks_.resize(needed);
}

void Int8Rows::assign_row(int i, const float* x, Int8Order order) {
  int8_kernels().quantize(x, n_blocks_, order, const_cast<Int8Block*>(row(i)));
}

void Int8Rows::assign(ThreadPool& threads, const float* x, int n, int width, Int8Order order) {
  resize(n, width);
  threads.parallel_for(static_cast<std::size_t>(n), 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      assign_row(static_cast<int>(i), x + i * static_cast<std::size_t>(width), order);
    }
  });
}

void linear_int8(ThreadPool& threads, const Int8Rows& x, const model::Linear& w, int n, float* out, Store store) {
  const auto n_in = static_cast<std::size_t>(w.n_in);
  const auto n_out = static_cast<std::size_t>(w.n_out);
  const std::size_t row_bytes = n_in / kInt8Block * model::kQ8Bytes;
  TOCCATA_CHECK(w.type == model::DenseType::kQ8_0 && w.packed.size() == n_out * row_bytes);
  TOCCATA_CHECK(x.n_blocks() * kInt8Block == w.n_in);
  const Int8Format& kernels = int8_kernels().q8;
  const std::size_t units = (n_out + kPanelRows - 1) / kPanelRows;
  threads.parallel_for(units, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t unit = begin; unit < end; ++unit) {
      const std::size_t first_row = unit * kPanelRows;
      const int n_rows = static_cast<int>(std::min<std::size_t>(kPanelRows, n_out - first_row));
      const auto* base = reinterpret_cast<const std::uint8_t*>(w.packed.data()) + first_row * row_bytes;
      Rows16 rows(n_rows, [&](int r) {
        const std::uint8_t* row = base + static_cast<std::size_t>(r) * row_bytes;
        return Int8Row{row + 2, row};
      });
      rows.set_steps(static_cast<int>(model::kQ8Bytes), static_cast<int>(model::kQ8Bytes));
      rows_times_tokens(
          kernels, rows, x.n_blocks(), n, [&](int i) { return x.row(i); },
          [&](int i, const float* sums) {
            float* y = out + static_cast<std::size_t>(i) * n_out + first_row;
            for (int r = 0; r < n_rows; ++r) {
              const float bias = w.bias.empty() ? 0.0F : to_f32(w.bias[first_row + static_cast<std::size_t>(r)]);
              const float value = sums[r] + bias;
              y[r] = store == Store::kAdd ? y[r] + value : value;
            }
          }
      );
    }
  });
}

}  // namespace toccata::ops
