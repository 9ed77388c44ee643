#pragma once

#include <cstdint>
#include <span>

#include "core/base/bf16.h"
#include "core/base/thread_pool.h"
#include "core/ops/device.h"

namespace toccata::ops {

// The keys and values of one layer, in pages of `page_positions` positions. Position p stands in slot p % n_slots when
// the layer is a ring (n_slots > 0), else in slot p; slot s is row s % page_positions of page s / page_positions.
struct KvView {
  std::span<float* const> key_pages;    // each [page_positions, row]
  std::span<float* const> value_pages;
  int page_positions = 0;
  int row = 0;  // n_kv_heads * head_dim
  std::int64_t n_slots = 0;

  float* at(std::span<float* const> pages, std::int64_t position) const {
    const std::int64_t slot = n_slots > 0 ? position % n_slots : position;
    return pages[static_cast<std::size_t>(slot / page_positions)] + slot % page_positions * row;
  }
  float* key(std::int64_t position) const { return at(key_pages, position); }
  float* value(std::int64_t position) const { return at(value_pages, position); }
};

struct AttentionShape {
  int n_heads = 0, n_kv_heads = 0, head_dim = 0;
  int window = 0;  // keys a query sees, its own included; 0 = all before it
};

// Causal attention with one learned sink logit a query head: the sink joins the softmax, its value is zero.
//   q, out [n, n_heads, head_dim] f32   sinks [n_heads] bf16   the n queries stand at positions first, first + 1, ...
//   keys and values of all positions the queries see are already in `kv`
// Source: openai/gpt-oss gpt_oss/torch/model.py, sdpa.
void attention(
    Device device, ThreadPool& threads, const AttentionShape& shape, const float* q, const KvView& kv,
    std::span<const Bf16> sinks, std::int64_t first, int n, float* out
);

}  // namespace toccata::ops
