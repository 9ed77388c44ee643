// The launches that both ways through a layer share, each under its name and with the bytes it has to move.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/cuda/blas.h"
#include "core/cuda/device/router.cuh"
#include "core/cuda/op_timer.cuh"
#include "core/engine/cuda/kv.cuh"
#include "core/engine/cuda/scratch.cuh"
#include "core/engine/cuda/weights.cuh"

namespace toccata::engine::device_side {

// What a pass works with; owned by the transformer.
struct Parts {
  const model::Config& c;
  const CudaOptions& o;
  Stream& stream;
  DeviceWeights& weights;
  DeviceKv& kv;
  Scratch& s;
  OpTimer& ops;
  Blas& blas;
};

inline double dense_layer_bytes(const Dense& w) { return (w.q8() ? 34.0 / 32 : 2.0) * w.n_out * w.n_in; }
inline double expert_layer_bytes(const Experts& w) { return static_cast<double>(w.n_out) * w.n_in * 17 / 32; }  // of one expert

class LayerOps {
 protected:
  explicit LayerOps(const Parts& parts) : p(parts), c(parts.c), s(parts.s) {}

  OpTimer::Scope op(const char* name, double bytes, double flops) { return p.ops.op(p.stream, name, bytes, flops); }
  template <class... Parameters, class... Arguments>
  void go(void (*kernel)(Parameters...), Grid blocks, Grid threads, std::size_t shared, const Arguments&... arguments) {
    launch(p.stream, kernel, blocks, threads, shared, arguments...);
  }
  // Experts that at least one of n tokens chose, if they choose evenly.
  double experts_chosen(int n) const {
    return c.n_experts * (1 - std::pow(1 - static_cast<double>(c.n_experts_per_token) / c.n_experts, n));
  }

  void embed(int n) {
    const auto scope = op("embedding", 2.0 * n * c.hidden, 0);
    go(p.weights.embedding.q8() ? &embed_kernel<true> : &embed_kernel<false>, grid(n), grid(kDenseThreads), 0, p.weights.embedding, s.ints.data(), c.hidden, s.x.data());
  }

  // out (+)= W x + b for n <= kDecodeMax tokens; x normed first when `scale` is given.
  template <bool kAdd>
  void few(const char* name, const Dense& w, const float* x, const std::uint16_t* scale, int n, float* out) {
    const auto scope = op(name, dense_layer_bytes(w), 2.0 * n * w.n_out * w.n_in);
    with_token_count(n, [&](auto count) {
      go(w.q8() ? &linear_kernel<count.value, kAdd, true> : &linear_kernel<count.value, kAdd, false>, grid(ceil_div(w.n_out, 2 * kDenseWarps)), grid(kDenseThreads),
         dense_shared_bytes(count.value, w.n_in), x, scale, c.norm_eps, w, n, out);
    });
  }

  // Tokens 0 .. n - 1 of the pass, q -> attended.
  template <class Kv>
  void attention(int layer, int n, int position_max) {
    const LayerOnDevice& w = p.weights.layers[size(layer)];
    const int window = w.windowed ? c.sliding_window : 0;
    const int n_splits = split_count_max(position_max, window);
    const double keys = window > 0 ? std::min(window, position_max + 1) : position_max + 1;
    const auto scope = op(
        w.windowed ? "attention, window" : "attention, full", n * keys * 2 * c.kv_size() * sizeof(Kv),
        4.0 * n * keys * c.q_size()
    );
    const AttentionView a = {
        c.n_heads, c.n_kv_heads, window, n_splits, s.piece_max.data(), s.piece_sum.data(), s.piece_out.data()};
    const KvLayer<Kv> kv = p.kv.layer<Kv>(layer);
    // As many tokens at once as there is room for pieces.
    for (int done = 0; done < n;) {
      const int m = std::min(n - done, std::max(1, s.n_pieces / n_splits));
      const BatchView batch = s.view(done, m);
      const std::size_t at = size(done) * size(c.q_size());
      with_head_dim(c.head_dim, [&](auto d) {
        go(&attention_piece_kernel<d.value, Kv>, grid(m, c.n_kv_heads, n_splits), grid(kAttentionThreads),
           attention_shared_bytes(d.value), s.q.data() + at, batch, kv, a);
      });
      go(&attention_join_kernel, grid(m, c.n_heads), grid(c.head_dim, kJoinGroups), join_shared_bytes(c.head_dim), batch, a,
         w.sinks, c.head_dim, s.attended.data() + at);
      done += m;
    }
  }

  void route(const LayerOnDevice& w, int n) {
    const auto scope = op("router", dense_layer_bytes(w.router), 2.0 * n * w.router.n_out * w.router.n_in);
    go(&route_kernel, grid(ceil_div(c.n_experts, kRouterRows), n), grid(kRouterThreads),
       router_shared_bytes(c.hidden, c.n_experts), s.x.data(), w.mlp_norm, c.norm_eps, w.router, c.n_experts_per_token,
       s.normed.data(), s.router_logits.data(), s.router_arrivals.data(), s.expert_ids.data(), s.expert_weights.data());
  }

  const Parts p;
  const model::Config& c;
  Scratch& s;
};

}  // namespace toccata::engine::device_side
