// Every buffer of a forward pass on the device, sized once for passes of chunk_tokens tokens. Shapes as in forward.h.
#pragma once

#include <algorithm>

#include "core/cuda/device/attention.cuh"
#include "core/cuda/device/experts_batch.cuh"
#include "core/engine/cuda/common.cuh"
#include "core/engine/cuda_transformer.h"
#include "core/model/config.h"
#include "core/ops/rope.h"

namespace toccata::engine::device_side {

struct Scratch {
  Scratch(const model::Config& c, const CudaOptions& o, const Stream& stream) : stream_(stream) {
    n_max = o.chunk_tokens;
    const std::int64_t n = n_max;
    const std::int64_t slots = n * c.n_experts_per_token;
    parts = o.exact ? kPartsMax : 1;
    x = make<float>(n * c.hidden);
    normed = make<float>(n * c.hidden);
    q = make<float>(n * c.q_size());
    k = make<float>(n * c.kv_size());
    v = make<float>(n * c.kv_size());
    attended = make<float>(n * c.q_size());
    router_logits = make<float>(n * c.n_experts);
    router_arrivals = make<int>(n);
    expert_ids = make<int>(slots);
    expert_weights = make<float>(slots);
    inner = make<float>(slots * c.intermediate);
    expert_out = make<float>(slots * c.hidden);
    dense_parts = make<std::uint16_t>(parts * n * std::max(c.hidden, c.q_size()));
    expert_parts = make<std::uint16_t>(parts * std::max(n * c.hidden, slots * c.intermediate));
    last = make<float>(n * c.hidden);
    n_pieces = std::max(o.decode_tokens_max * split_count_max(static_cast<int>(o.n_context) - 1, 0), 2048);
    piece_max = make<float>(std::int64_t{n_pieces} * c.n_heads);
    piece_sum = make<float>(std::int64_t{n_pieces} * c.n_heads);
    piece_out = make<float>(std::int64_t{n_pieces} * c.q_size());
    const int n_tiles = tiles_max(static_cast<int>(slots), c.n_experts);
    plan_ints_ = make<int>(slots + 3 * n_tiles + 1);
    plan = {
        plan_ints_.data(), plan_ints_.data() + slots, plan_ints_.data() + slots + n_tiles,
        plan_ints_.data() + slots + 2 * n_tiles, plan_ints_.data() + slots + 3 * n_tiles};
    ints = make<int>(3 * n);
    host_ints = Pinned<int>(size(3 * n));
    std::fill_n(host_ints.data(), 3 * n, 0);
    logits = make<float>(std::int64_t{n_logits_max} * c.n_vocab);
    host_logits = Pinned<float>(logits.size());

    const ops::RopeTable rope = ops::RopeTable::make(c);
    std::vector<float> cosines(size(o.n_context) * rope.frequency.size());
    std::vector<float> sines(cosines.size());
    rope.angles(0, static_cast<int>(o.n_context), cosines.data(), sines.data());
    cos = to_device<float>(cosines, stream);
    sin = to_device<float>(sines, stream);
    bytes += cos.bytes() + sin.bytes();
  }

  // Tokens first .. first + n - 1 of the pass.
  BatchView view(int first, int n) const { return {ints.data() + n_max + first, ints.data() + 2 * n_max + first, n}; }

  std::size_t bytes = 0;
  int n_max = 0;
  int parts = 1;
  int n_pieces = 0;                       // of attention, over all tokens
  static constexpr int n_logits_max = 64;  // rows of logits at once
  Array<float> cos, sin;                  // [n_context, head_dim / 2]
  Array<float> x, normed, q, k, v, attended, router_logits, expert_weights, inner, expert_out, last, logits;
  Array<int> router_arrivals, expert_ids;
  Plan plan;
  Array<std::uint16_t> dense_parts, expert_parts;
  Array<float> piece_max, piece_sum, piece_out;
  Array<int> ints;  // tokens, rows of the page tables, positions: [3, n_max]
  Pinned<int> host_ints;
  Pinned<float> host_logits;

 private:
  template <class T>
  Array<T> make(std::int64_t n) {
    Array<T> array(size(n));
    bytes += array.bytes();
    zero_bytes(array.data(), array.bytes(), stream_);
    return array;
  }
  const Stream& stream_;
  Array<int> plan_ints_;
};

}  // namespace toccata::engine::device_side
