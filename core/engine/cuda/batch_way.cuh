// A pass over many tokens: cuBLAS for the dense layers (or a kernel of our own where it is not, or they are in eight bits),
// experts grouped by token on the tensor cores.
#pragma once

#include "core/cuda/device/batch.cuh"
#include "core/cuda/device/experts_batch.cuh"
#include "core/engine/cuda/layer_ops.cuh"

namespace toccata::engine::device_side {

class BatchWay : LayerOps {
 public:
  explicit BatchWay(const Parts& parts) : LayerOps(parts) {
    allow_shared(&plan_kernel, plan_shared_bytes());
    static_assert(tile_shared_bytes(1) <= std::size_t{48} << 10, "needs no leave");
    allow_shared(&dense_batch_kernel<kPartsMax, false>, tile_shared_bytes(kPartsMax));
    allow_shared(&dense_batch_kernel<kPartsMax, true>, tile_shared_bytes(kPartsMax));
    allow_shared(&experts_kernel<kPartsMax, true>, tile_shared_bytes(kPartsMax));
    allow_shared(&experts_kernel<kPartsMax, false>, tile_shared_bytes(kPartsMax));
  }

  void run(int n, int position_max) {
    embed(n);
    for (int layer = 0; layer < c.n_layers; ++layer) {
      p.o.exact ? one_layer<float>(layer, n, position_max) : one_layer<std::uint16_t>(layer, n, position_max);
    }
  }
  // logits of m rows of x
  void last_layer(const float* x, int m) {
    norm(x, p.weights.norm, m, s.normed.data());
    split_for_dense(p.weights.unembedding, s.normed.data(), m);
    many("unembedding", p.weights.unembedding, m, false, s.logits.data());
  }

 private:
  void split(const float* x, std::size_t n_values, bool shuffled, std::uint16_t* parts) {
    const int blocks = static_cast<int>(std::min<std::size_t>(1024, (n_values + 255) / 256));
    auto* kernel = &split_kernel<1, false>;
    if (s.parts == 1 && shuffled) kernel = &split_kernel<1, true>;
    if (s.parts > 1) kernel = shuffled ? &split_kernel<kPartsMax, true> : &split_kernel<kPartsMax, false>;
    go(kernel, grid(blocks), grid(256), 0, x, n_values, parts);
  }
  bool by_blas(const Dense& w) const { return p.blas.available() && !w.q8(); }
  // The input of many() with this matrix, or one of its kind.
  void split_for_dense(const Dense& w, const float* x, int n) {
    const auto scope = op("to bf16", 6.0 * n * w.n_in, 0);
    split(x, size(n) * size(w.n_in), !by_blas(w), s.dense_parts.data());
  }

  // out (+)= W x + b; x stands in dense_parts.
  void many(const char* name, const Dense& w, int n, bool add, float* out) {
    const double activations = static_cast<double>(n) * (2.0 * w.n_in + 4.0 * w.n_out);
    const auto scope = op(name, dense_layer_bytes(w) + activations, 2.0 * n * w.n_out * w.n_in * s.parts);
    if (!by_blas(w)) {
      auto* kernel = w.q8() ? &dense_batch_kernel<1, true> : &dense_batch_kernel<1, false>;
      if (s.parts > 1) kernel = w.q8() ? &dense_batch_kernel<kPartsMax, true> : &dense_batch_kernel<kPartsMax, false>;
      go(kernel, grid(ceil_div(w.n_out, kTileRows), ceil_div(n, kTileSlots)), grid(kBatchThreads), tile_shared_bytes(s.parts),
         s.dense_parts.data(), n, w, add, out);
      return;
    }
    for (int part = 0; part < s.parts; ++part) {
      const std::uint16_t* from = s.dense_parts.data() + size(part) * size(n) * size(w.n_in);
      p.blas.multiply(w.weight, from, n, w.n_out, w.n_in, part > 0 || add, out);
    }
    if (w.bias != nullptr) go(&bias_kernel, grid(n), grid(kDenseThreads), 0, w.bias, w.n_out, out);
  }

  void norm(const float* x, const std::uint16_t* scale, int n, float* out) {
    const auto scope = op("norm", 8.0 * n * c.hidden, 0);
    go(&norm_kernel, grid(n), grid(kDenseThreads), kDenseWarps * sizeof(float), x, scale, c.norm_eps, c.hidden, out);
  }

  std::size_t plan_shared_bytes() const {
    return size(p.o.chunk_tokens * c.n_experts_per_token + c.n_experts + 1) * sizeof(int);
  }

  template <int kParts>
  void expert_products(const LayerOnDevice& layer, int n) {
    const int k = c.n_experts_per_token;
    const int n_slots = n * k;
    const int n_tiles = tiles_max(n_slots, c.n_experts);
    const std::size_t shared = tile_shared_bytes(kParts);
    const std::size_t n_in = size(n) * size(c.hidden);
    {
      const auto scope = op(
          "gate, up, swiglu", experts_chosen(n) * expert_layer_bytes(layer.gate_up),
          2.0 * n_slots * layer.gate_up.n_out * layer.gate_up.n_in * kParts
      );
      split(s.normed.data(), n_in, true, s.expert_parts.data());
      go(&experts_kernel<kParts, true>, grid(ceil_div(layer.gate_up.n_out, kTileRows), n_tiles), grid(kBatchThreads), shared,
         s.expert_parts.data(), n_in, k, s.plan, layer.gate_up, c.swiglu_limit, s.inner.data());
    }
    const auto scope = op(
        "down, weighted sum", experts_chosen(n) * expert_layer_bytes(layer.down),
        2.0 * n_slots * layer.down.n_out * layer.down.n_in * kParts
    );
    const std::size_t n_inner = size(n_slots) * size(c.intermediate);
    split(s.inner.data(), n_inner, true, s.expert_parts.data());
    go(&experts_kernel<kParts, false>, grid(ceil_div(layer.down.n_out, kTileRows), n_tiles), grid(kBatchThreads), shared,
       s.expert_parts.data(), n_inner, 1, s.plan, layer.down, 0.0F, s.expert_out.data());
    go(&combine_kernel, grid(n), grid(kDenseThreads), 0, s.expert_out.data(), s.expert_weights.data(), k, c.hidden, s.x.data());
  }

  template <class Kv>
  void one_layer(int number, int n, int position_max) {
    const LayerOnDevice& layer = p.weights.layers[size(number)];
    norm(s.x.data(), layer.attention_norm, n, s.normed.data());
    split_for_dense(layer.qkv.q, s.normed.data(), n);
    many("qkv", layer.qkv.q, n, false, s.q.data());
    many("qkv", layer.qkv.k, n, false, s.k.data());
    many("qkv", layer.qkv.v, n, false, s.v.data());
    {
      const auto scope = op("rope, kv write", 4.0 * n * (2 * c.q_size() + 4 * c.kv_size()), 0);
      go(&rope_store_kernel<Kv>, grid(n), grid(kDenseThreads), 0, s.cos.data(), s.sin.data(), s.view(0, n), c.q_size(),
         c.head_dim, s.k.data(), s.v.data(), p.kv.layer<Kv>(number), s.q.data());
    }
    attention<Kv>(number, n, position_max);
    split_for_dense(layer.output, s.attended.data(), n);
    many("output, residual", layer.output, n, true, s.x.data());
    route(layer, n);
    go(&plan_kernel, grid(1), grid(ceil_div(c.n_experts, kWarpSize) * kWarpSize), plan_shared_bytes(), s.expert_ids.data(),
       n * c.n_experts_per_token, c.n_experts, s.plan);
    const LayerOnDevice here = p.weights.staged(layer, p.stream);
    s.parts == 1 ? expert_products<1>(here, n) : expert_products<kPartsMax>(here, n);
  }
};

}  // namespace toccata::engine::device_side
