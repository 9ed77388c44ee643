#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/bf16.h"
#include "core/base/thread_pool.h"
#include "core/ops/device.h"
#include "core/ops/kv_format.h"

namespace toccata::ops {

// The keys and values of one layer, in pages of `page_positions` positions. Position p stands in slot p % n_slots when
// the layer is a ring (n_slots > 0), else in slot p; slot s is in page s / page_positions. In a page each head has its positions in a row.
struct KvView {
  std::span<std::byte* const> key_pages;  // each [n_heads, page_positions, head_bytes]
  std::span<std::byte* const> value_pages;
  KvFormat format;
  int page_positions = 0;
  std::int64_t n_slots = 0;

  std::byte* at(std::span<std::byte* const> pages, std::int64_t position, int head) const {
    const std::int64_t slot = n_slots > 0 ? position % n_slots : position;
    const std::int64_t place = std::int64_t{head} * page_positions + slot % page_positions;
    return pages[static_cast<std::size_t>(slot / page_positions)] + static_cast<std::size_t>(place) * format.head_bytes();
  }
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
