#include "core/ops/experts.h"

#include <algorithm>
#include <cmath>

#include "core/ops/dot.h"
#include "core/ops/mxfp4.h"

namespace toccata::ops {
namespace {

constexpr float kSwigluAlpha = 1.702F;

std::size_t size(int n) { return static_cast<std::size_t>(n); }

// Counting sort of the slots by expert.
void group_by_expert(const Routing& routing, int n_experts, ExpertScratch& s) {
  const int n_slots = routing.n * routing.k;
  std::fill(s.first_slot.begin(), s.first_slot.end(), 0);
  for (int i = 0; i < n_slots; ++i) ++s.first_slot[size(routing.experts[i]) + 1];
  s.active.clear();
  for (int e = 0; e < n_experts; ++e) {
    if (s.first_slot[size(e) + 1] > 0) s.active.push_back(e);
    s.first_slot[size(e) + 1] += s.first_slot[size(e)];
  }
  // Slots of one expert stay in order of token: first_slot is advanced while filling and put back after.
  for (int i = 0; i < n_slots; ++i) s.slots[size(s.first_slot[size(routing.experts[i])]++)] = i;
  std::rotate(s.first_slot.rbegin(), s.first_slot.rbegin() + 1, s.first_slot.rend());
  s.first_slot[0] = 0;
}

// One row of W, wherever the checkpoint's format keeps it.
struct Row {
  const std::uint8_t* blocks;
  const std::uint8_t* scales;  // null: GGUF blocks, which hold their own
  int n_blocks;

  float dot(const DotKernels& kernels, const float* x) const {
    if (scales == nullptr) return kernels.mxfp4_gguf(blocks, x, n_blocks);
    return kernels.mxfp4(blocks, scales, x, n_blocks);
  }
  void dot_by4(const DotKernels& kernels, const float* const x[4], float out[4]) const {
    if (scales == nullptr) return kernels.mxfp4_gguf_by4(blocks, x, n_blocks, out);
    kernels.mxfp4_by4(blocks, scales, x, n_blocks, out);
  }
};

Row row_of(const model::ExpertLinear& w, std::size_t expert, std::size_t o) {
  const int n_blocks = w.n_in / kMxfp4Block;
  const std::size_t row = expert * size(w.n_out) + o;
  if (w.rows.empty()) {
    return {
        w.blocks.data() + row * size(n_blocks) * kMxfp4BlockBytes, w.scales.data() + row * size(n_blocks), n_blocks};
  }
  const std::size_t row_bytes = size(n_blocks) * model::kGgufMxfp4Bytes;
  if (w.odd_rows.empty()) return {w.rows.data() + row * row_bytes, nullptr, n_blocks};
  // n_out is even there, so `row / 2` counts pairs over all experts.
  const auto& half = o % 2 == 0 ? w.rows : w.odd_rows;
  return {half.data() + row / 2 * row_bytes, nullptr, n_blocks};
}

// out[slot] = W[expert of slot] in[slot / in_divisor] + b, over every (active expert, row of W). A row's blocks are read
// once for all tokens of its expert, and unpacked once for four of them.
void expert_linear(
    ThreadPool& threads, const model::ExpertLinear& w, const ExpertScratch& s, const float* in,
    int in_divisor, float* out
) {
  const DotKernels& kernels = dot_kernels();
  threads.parallel_for(s.active.size() * size(w.n_out), 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t item = begin; item < end; ++item) {
      const auto expert = size(s.active[item / size(w.n_out)]);
      const std::size_t o = item % size(w.n_out);
      const Row row = row_of(w, expert, o);
      const float bias = to_f32(w.bias[expert * size(w.n_out) + o]);
      const auto slot_at = [&](int i) { return size(s.slots[size(i)]); };
      const auto input = [&](int i) { return in + slot_at(i) / size(in_divisor) * size(w.n_in); };
      int i = s.first_slot[expert];
      const int last = s.first_slot[expert + 1];
      for (; i + 4 <= last; i += 4) {
        const float* const x[4] = {input(i), input(i + 1), input(i + 2), input(i + 3)};
        float sums[4];
        row.dot_by4(kernels, x, sums);
        for (int j = 0; j < 4; ++j) out[slot_at(i + j) * size(w.n_out) + o] = sums[j] + bias;
      }
      for (; i < last; ++i) out[slot_at(i) * size(w.n_out) + o] = row.dot(kernels, input(i)) + bias;
    }
  });
}

// The same from rounded inputs, in units of kPanelRows rows.
void expert_linear_int8(
    ThreadPool& threads, const model::ExpertLinear& w, const ExpertScratch& s, const Int8Rows& in, int in_divisor,
    float* out
) {
  const Int8Format& kernels = int8_kernels().mxfp4;
  const std::size_t units = size(w.n_out + kPanelRows - 1) / size(kPanelRows);
  threads.parallel_for(s.active.size() * units, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t item = begin; item < end; ++item) {
      const auto expert = size(s.active[item / units]);
      const int first_row = static_cast<int>(item % units) * kPanelRows;
      const int n_rows = std::min(kPanelRows, w.n_out - first_row);
      const auto* slots = s.slots.data() + s.first_slot[expert];
      const Bf16* bias = w.bias.data() + expert * size(w.n_out) + first_row;
      Rows16 rows(n_rows, [&](int r) {
        const Row row = row_of(w, expert, size(first_row + r));
        if (row.scales == nullptr) return Int8Row{row.blocks + 1, row.blocks};
        return Int8Row{row.blocks, row.scales};
      });
      const bool gguf = !w.rows.empty();
      rows.set_steps(gguf ? static_cast<int>(model::kGgufMxfp4Bytes) : kMxfp4BlockBytes, gguf ? static_cast<int>(model::kGgufMxfp4Bytes) : 1);
      rows_times_tokens(
          kernels, rows, w.n_in / kMxfp4Block, s.first_slot[expert + 1] - s.first_slot[expert],
          [&](int i) { return in.row(slots[i] / in_divisor); },
          [&](int i, const float* sums) {
            float* y = out + size(slots[i]) * size(w.n_out) + first_row;
            for (int r = 0; r < n_rows; ++r) y[r] = sums[r] + to_f32(bias[r]);
          }
      );
    }
  });
}

void swiglu(const float* gate_up, std::size_t n, float limit, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const float gate = std::min(gate_up[2 * i], limit);
    const float up = std::clamp(gate_up[2 * i + 1], -limit, limit);
    out[i] = gate / (1.0F + std::exp(-kSwigluAlpha * gate)) * (up + 1.0F);
  }
}

}  // namespace

ExpertScratch::ExpertScratch(int n_max, int k, int n_experts, int intermediate, int hidden)
    : in(size(n_max) * size(hidden)),
      gate_up(size(n_max) * size(k) * 2 * size(intermediate)),
      inner(size(n_max) * size(k) * size(intermediate)),
      out(size(n_max) * size(k) * size(hidden)),
      slots(size(n_max) * size(k)),
      first_slot(size(n_experts) + 1) {
  active.reserve(size(n_experts));
}

void experts_cpu(
    ThreadPool& threads, const float* m, const Routing& routing, const model::ExpertLinear& gate_up,
    const model::ExpertLinear& down, float limit, ExpertScratch& s, float* x
) {
  const DotKernels& dot = dot_kernels();
  group_by_expert(routing, gate_up.n_experts, s);
  dot.mxfp4_order(m, routing.n * gate_up.n_in / kMxfp4Block, s.in.data());
  expert_linear(threads, gate_up, s, s.in.data(), routing.k, s.gate_up.data());
  const std::size_t n_slots = size(routing.n) * size(routing.k);
  threads.parallel_for(n_slots, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t slot = begin; slot < end; ++slot) {
      float* inner = s.inner.data() + slot * size(down.n_in);
      swiglu(s.gate_up.data() + slot * size(gate_up.n_out), size(down.n_in), limit, inner);
      dot.mxfp4_order(inner, down.n_in / kMxfp4Block, inner);
    }
  });
  expert_linear(threads, down, s, s.inner.data(), 1, s.out.data());
  for (std::size_t slot = 0; slot < n_slots; ++slot) {
    dot.axpy(
        routing.weights[slot], s.out.data() + slot * size(down.n_out),
        x + slot / size(routing.k) * size(down.n_out), down.n_out
    );
  }
}

void experts_int8(
    ThreadPool& threads, const float* m, const Routing& routing, const model::ExpertLinear& gate_up,
    const model::ExpertLinear& down, float limit, ExpertScratch& s, float* x
) {
  TOCCATA_CHECK(gate_up.n_out == 2 * down.n_in && gate_up.n_in == down.n_out);
  TOCCATA_CHECK(s.slots.size() >= size(routing.n) * size(routing.k));
  const Int8Order order = gate_up.rows.empty() ? Int8Order::kPairs : Int8Order::kHalves;
  group_by_expert(routing, gate_up.n_experts, s);
  s.rounded_in.assign(threads, m, routing.n, gate_up.n_in, order);
  expert_linear_int8(threads, gate_up, s, s.rounded_in, routing.k, s.gate_up.data());
  const std::size_t n_slots = size(routing.n) * size(routing.k);
  s.rounded_inner.resize(static_cast<int>(n_slots), down.n_in);
  threads.parallel_for(n_slots, 2, [&](std::size_t begin, std::size_t end) {
    for (std::size_t slot = begin; slot < end; ++slot) {
      float* inner = s.inner.data() + slot * size(down.n_in);
      swiglu(s.gate_up.data() + slot * size(gate_up.n_out), size(down.n_in), limit, inner);
      s.rounded_inner.assign_row(static_cast<int>(slot), inner, order);
    }
  });
  expert_linear_int8(threads, down, s, s.rounded_inner, 1, s.out.data());
  const DotKernels& dot = dot_kernels();
  threads.parallel_for(size(routing.n), 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t slot = begin * size(routing.k); slot < end * size(routing.k); ++slot) {
      dot.axpy(
          routing.weights[slot], s.out.data() + slot * size(down.n_out),
          x + slot / size(routing.k) * size(down.n_out), down.n_out
      );
    }
  });
}

void experts(
    Device device, ThreadPool& threads, const float* m, const Routing& routing,
    const model::ExpertLinear& gate_up, const model::ExpertLinear& down, float limit,
    ExpertScratch& scratch, float* x
) {
  TOCCATA_CHECK(gate_up.n_out == 2 * down.n_in && gate_up.n_in == down.n_out);
  TOCCATA_CHECK(scratch.slots.size() >= size(routing.n) * size(routing.k));
  switch (device) {
    case Device::kCpu:
      return experts_cpu(threads, m, routing, gate_up, down, limit, scratch, x);
    case Device::kCuda: no_kernel("experts");
  }
}

}  // namespace toccata::ops
