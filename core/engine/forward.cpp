// gpt-oss, one forward pass. The specification is openai/gpt-oss gpt_oss/torch/model.py, Transformer.forward.
#include "core/engine/forward.h"

#include <algorithm>

#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/rmsnorm.h"
#include "core/ops/router.h"

namespace toccata::engine {
namespace {

std::size_t area(int n, int width) {
  return static_cast<std::size_t>(n) * static_cast<std::size_t>(width);
}

// The tokens of one pass.
struct Pass {
  const Model& model;
  KvCache& cache;
  Activations& a;
  int n;
  ops::Device device() const { return model.options().device; }
  bool fast() const { return !model.options().exact; }
};

// What dense() reads: x [n, width], in the fast mode rounded once for all matrices it goes through.
struct Input {
  Input(const Pass& p, const float* values, int rows, int width) : x(values), n(rows) {
    rounded = p.fast() && width % ops::kInt8Block == 0;
    if (rounded) p.a.rounded.assign(p.model.threads(), x, n, width, ops::Int8Order::kHalves);
  }
  const float* x;
  int n;
  bool rounded;  // stands in Activations::rounded until the next Input is made
};

// out = x W^T + b, or out += ...
void dense(const Pass& p, const Input& in, const model::Linear& w, float* out, ops::Store store = ops::Store::kAssign) {
  if (in.rounded && w.type == model::DenseType::kQ8_0) {
    return ops::linear_int8(p.model.threads(), p.a.rounded, w, in.n, out, store);
  }
  ops::linear(p.device(), p.model.threads(), in.x, w, in.n, out, store);
}

// x += output(attention(rope(q), rope(k), v)); k and v go straight into the cache.
void attention_block(const Pass& p, const model::LayerWeights& w, int layer) {
  const model::Config& c = p.model.config();
  Activations& a = p.a;
  ThreadPool& threads = p.model.threads();
  const ops::Device device = p.device();
  const std::int64_t first = p.cache.size();
  const ops::KvView kv = p.cache.layer(layer);

  ops::rmsnorm(device, a.x.data(), w.attention_norm, c.norm_eps, p.n, a.normed.data());
  const Input input(p, a.normed.data(), p.n, c.hidden);
  dense(p, input, w.q, a.q.data());
  ops::rope(device, a.cos.data(), a.sin.data(), p.n, c.n_heads, c.head_dim, a.q.data());
  const auto copy_rows = [&](const auto& row_of) {
    for (int t = 0; t < p.n; ++t) {
      const float* row = a.kv.data() + area(t, c.kv_size());
      std::copy(row, row + c.kv_size(), row_of(first + t));
    }
  };
  dense(p, input, w.k, a.kv.data());
  ops::rope(device, a.cos.data(), a.sin.data(), p.n, c.n_kv_heads, c.head_dim, a.kv.data());
  copy_rows([&](std::int64_t position) { return kv.key(position); });
  dense(p, input, w.v, a.kv.data());
  copy_rows([&](std::int64_t position) { return kv.value(position); });
  const ops::AttentionShape shape = {
      c.n_heads, c.n_kv_heads, c.head_dim, c.windowed(layer) ? c.sliding_window : 0};
  ops::attention(device, threads, shape, a.q.data(), kv, w.sinks, first, p.n, a.attended.data());
  dense(p, Input(p, a.attended.data(), p.n, c.q_size()), w.output, a.x.data(), ops::Store::kAdd);
}

// x += the weighted sum of each token's experts.
void expert_block(const Pass& p, const model::LayerWeights& w) {
  const model::Config& c = p.model.config();
  Activations& a = p.a;
  ops::rmsnorm(p.device(), a.x.data(), w.mlp_norm, c.norm_eps, p.n, a.normed.data());
  ops::linear(p.device(), p.model.threads(), a.normed.data(), w.router, p.n, a.router.data());
  ops::route(
      p.device(), a.router.data(), p.n, c.n_experts, c.n_experts_per_token, a.expert_ids.data(),
      a.expert_weights.data()
  );
  const ops::Routing routing = {
      a.expert_ids.data(), a.expert_weights.data(), p.n, c.n_experts_per_token};
  if (p.fast()) {
    return ops::experts_int8(
        p.model.threads(), a.normed.data(), routing, w.gate_up, w.down, c.swiglu_limit, a.experts, a.x.data()
    );
  }
  ops::experts(
      p.device(), p.model.threads(), a.normed.data(), routing, w.gate_up, w.down, c.swiglu_limit,
      a.experts, a.x.data()
  );
}

}  // namespace

Activations::Activations(const model::Config& c, int n)
    : n_max(n),
      x(area(n, c.hidden)),
      normed(area(n, c.hidden)),
      q(area(n, c.q_size())),
      kv(area(n, c.kv_size())),
      attended(area(n, c.q_size())),
      cos(area(n, c.head_dim / 2)),
      sin(area(n, c.head_dim / 2)),
      router(area(n, c.n_experts)),
      expert_ids(area(n, c.n_experts_per_token)),
      expert_weights(area(n, c.n_experts_per_token)),
      experts(n, c.n_experts_per_token, c.n_experts, c.intermediate, c.hidden) {}

void forward(
    const Model& model, KvCache& cache, Activations& a, std::span<const Token> tokens, int n_logits,
    float* logits
) {
  const model::Config& c = model.config();
  const model::Weights& w = model.weights();
  const Pass pass = {model, cache, a, static_cast<int>(tokens.size())};
  TOCCATA_CHECK(pass.n >= 1 && pass.n <= a.n_max && n_logits <= pass.n);

  cache.reserve(pass.n);
  model.rope().angles(cache.size(), pass.n, a.cos.data(), a.sin.data());
  ops::embed(pass.device(), w.embedding_rows, tokens, a.x.data());
  for (int layer = 0; layer < c.n_layers; ++layer) {
    attention_block(pass, w.layers[static_cast<std::size_t>(layer)], layer);
    expert_block(pass, w.layers[static_cast<std::size_t>(layer)]);
  }
  cache.advance(pass.n);
  if (n_logits == 0) return;
  const float* last = a.x.data() + area(pass.n - n_logits, c.hidden);
  ops::rmsnorm(pass.device(), last, w.norm, c.norm_eps, n_logits, a.normed.data());
  dense(pass, Input(pass, a.normed.data(), n_logits, c.hidden), w.unembedding, logits);
}

}  // namespace toccata::engine
