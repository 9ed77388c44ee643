// A pass over few tokens: seven launches a layer, each reading its weights once, in an order of sums that depends on shapes
// and positions alone.
#pragma once

#include "core/cuda/device/experts_decode.cuh"
#include "core/engine/cuda/layer_ops.cuh"

namespace toccata::engine::device_side {

inline std::size_t decode_shared_bytes(const model::Config& c, int n_tokens) {
  return dense_shared_bytes(n_tokens, std::max(c.hidden, c.q_size()));
}

class DecodeWay : LayerOps {
 public:
  explicit DecodeWay(const Parts& parts) : LayerOps(parts) {
    for (const int n : {1, 2, 4, 8}) {
      if (n > p.o.decode_tokens_max) break;
      const std::size_t bytes = decode_shared_bytes(c, n);
      with_token_count(n, [&](auto count) {
        for (const auto kernel : {&linear_kernel<count.value, true, true>, &linear_kernel<count.value, true, false>,
                                  &linear_kernel<count.value, false, true>, &linear_kernel<count.value, false, false>}) {
          allow_shared(kernel, bytes);
        }
        allow_shared(&qkv_kernel<count.value, float, true>, bytes);
        allow_shared(&qkv_kernel<count.value, float, false>, bytes);
        allow_shared(&qkv_kernel<count.value, std::uint16_t, true>, bytes);
        allow_shared(&qkv_kernel<count.value, std::uint16_t, false>, bytes);
      });
    }
    allow_shared(&down_kernel, down_shared_bytes());
    with_head_dim(c.head_dim, [&](auto d) {
      allow_shared(&attention_piece_kernel<d.value, float>, attention_shared_bytes(d.value));
      allow_shared(&attention_piece_kernel<d.value, std::uint16_t>, attention_shared_bytes(d.value));
    });
  }

  // Logits of all n tokens, if any; `position_max`: none of them stands later.
  void run(int n, int position_max, bool with_logits) {
    embed(n);
    for (int layer = 0; layer < c.n_layers; ++layer) {
      p.o.exact ? one_layer<float>(layer, n, position_max) : one_layer<std::uint16_t>(layer, n, position_max);
    }
    if (with_logits) last_layer(s.x.data(), n);
  }
  void last_layer(const float* x, int n) {
    few<false>("unembedding", p.weights.unembedding, x, p.weights.norm, n, s.logits.data());
  }

 private:
  std::size_t down_shared_bytes() const {
    return size(c.n_experts_per_token) * size(c.intermediate) * sizeof(float);
  }

  template <class Kv>
  void one_layer(int number, int n, int position_max) {
    const LayerOnDevice& layer = p.weights.layers[size(number)];
    const int pairs = (c.q_size() + 2 * c.kv_size()) / 2;
    {
      const double bytes = dense_layer_bytes(layer.qkv.q) + dense_layer_bytes(layer.qkv.k) + dense_layer_bytes(layer.qkv.v);
      const auto scope = op("norm, qkv, rope, kv write", bytes, 4.0 * n * pairs * c.hidden);
      with_token_count(n, [&](auto count) {
        go(layer.qkv.q.q8() ? &qkv_kernel<count.value, Kv, true> : &qkv_kernel<count.value, Kv, false>, grid(ceil_div(pairs, kDenseWarps)), grid(kDenseThreads),
           dense_shared_bytes(count.value, c.hidden), s.x.data(), layer.attention_norm, c.norm_eps, layer.qkv, s.cos.data(),
           s.sin.data(), s.view(0, n), p.kv.layer<Kv>(number), s.q.data());
      });
    }
    attention<Kv>(number, n, position_max);
    few<true>("output, residual", layer.output, s.attended.data(), nullptr, n, s.x.data());
    route(layer, n);
    const int k = c.n_experts_per_token;
    {
      const auto scope = op(
          "gate, up, swiglu", experts_chosen(n) * expert_layer_bytes(layer.gate_up),
          2.0 * n * k * layer.gate_up.n_out * layer.gate_up.n_in
      );
      go(&gate_up_kernel, grid(ceil_div(c.intermediate, kExpertWarps), n * k), grid(kExpertThreads),
         size(c.hidden) * sizeof(float), s.normed.data(), s.expert_ids.data(), k, layer.gate_up, c.swiglu_limit,
         s.inner.data());
    }
    const auto scope = op(
        "down, weighted sum", experts_chosen(n) * expert_layer_bytes(layer.down), 2.0 * n * k * layer.down.n_out * layer.down.n_in
    );
    go(&down_kernel, grid(ceil_div(c.hidden, kExpertWarps), n), grid(kExpertThreads), down_shared_bytes(), s.inner.data(),
       s.expert_ids.data(), s.expert_weights.data(), k, layer.down, s.x.data());
  }
};

}  // namespace toccata::engine::device_side
