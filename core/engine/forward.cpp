// gpt-oss, one forward pass. The specification is openai/gpt-oss gpt_oss/torch/model.py, Transformer.forward.
#include "core/engine/forward.h"

#include <algorithm>
#include <cmath>

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

// The tokens of one pass, part after part.
struct Pass {
  const Model& model;
  Activations& a;
  std::span<const Part> parts;
  int n;
  ops::Device device() const { return model.options().device; }
  bool fast() const { return !model.options().exact; }
};

double weight_bytes(const model::Linear& w) { return static_cast<double>(w.weight.size_bytes() + w.packed.size()); }
double product_flops(int n, const model::Linear& w) { return 2.0 * n * w.n_out * w.n_in; }

// Of one expert's matrix.
double expert_bytes(const model::ExpertLinear& w) {
  return static_cast<double>(w.blocks.size() + w.scales.size() + w.rows.size() + w.odd_rows.size()) / w.n_experts;
}

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

// rows [n, kv_size] into where the layer's caches keep their positions.
void store_rows(const Pass& p, int layer, const float* rows, std::span<std::byte* const> ops::KvView::*pages) {
  const int head_dim = p.model.config().head_dim;
  for (const Part& part : p.parts) {
    const ops::KvView kv = part.cache->layer(layer);
    for (std::size_t t = 0; t < part.tokens.size(); ++t) {
      for (int head = 0; head < kv.format.n_heads; ++head, rows += head_dim) {
        kv.format.pack_head(rows, kv.at(kv.*pages, part.cache->size() + static_cast<std::int64_t>(t), head));
      }
    }
  }
}

// q = rope(W x), k and v go straight into the caches.
void project(const Pass& p, const model::LayerWeights& w, int layer) {
  const model::Config& c = p.model.config();
  Activations& a = p.a;
  const ops::Device device = p.device();
  const auto timed = a.clock.time(
      "norm, qkv, rope, kv write", weight_bytes(w.q) + weight_bytes(w.k) + weight_bytes(w.v),
      product_flops(p.n, w.q) + product_flops(p.n, w.k) + product_flops(p.n, w.v)
  );
  ops::rmsnorm(device, a.x.data(), w.attention_norm, c.norm_eps, p.n, a.normed.data());
  const Input input(p, a.normed.data(), p.n, c.hidden);
  dense(p, input, w.q, a.q.data());
  ops::rope(device, a.cos.data(), a.sin.data(), p.n, c.n_heads, c.head_dim, a.q.data());
  dense(p, input, w.k, a.kv.data());
  ops::rope(device, a.cos.data(), a.sin.data(), p.n, c.n_kv_heads, c.head_dim, a.kv.data());
  store_rows(p, layer, a.kv.data(), &ops::KvView::key_pages);
  dense(p, input, w.v, a.kv.data());
  store_rows(p, layer, a.kv.data(), &ops::KvView::value_pages);
}

void attend(const Pass& p, const model::LayerWeights& w, int layer) {
  const model::Config& c = p.model.config();
  Activations& a = p.a;
  const int window = c.windowed(layer) ? c.sliding_window : 0;
  const ops::AttentionShape shape = {c.n_heads, c.n_kv_heads, c.head_dim, window};
  double keys = 0;  // over all tokens
  double held = 0;  // over all parts
  for (const Part& part : p.parts) {
    const auto seen = [&](std::int64_t n) { return static_cast<double>(window > 0 ? std::min<std::int64_t>(n, window) : n); };
    const auto n = static_cast<std::int64_t>(part.tokens.size());
    keys += static_cast<double>(n) * seen(part.cache->size() + (n + 1) / 2);
    held += seen(part.cache->size() + n);
  }
  const auto timed = a.clock.time(
      window > 0 ? "attention, window" : "attention, full", held * 2 * static_cast<double>(ops::KvFormat{*p.model.options().kv, c.n_kv_heads, c.head_dim}.row_bytes()), 4 * keys * c.q_size()
  );
  std::size_t row = 0;
  for (const Part& part : p.parts) {
    const auto n = static_cast<int>(part.tokens.size());
    const std::size_t offset = row * static_cast<std::size_t>(c.q_size());
    ops::attention(
        p.device(), p.model.threads(), shape, a.q.data() + offset, part.cache->layer(layer), w.sinks, part.cache->size(), n,
        a.attended.data() + offset
    );
    row += part.tokens.size();
  }
}

// x += output(attention(q, k, v)).
void attention_block(const Pass& p, const model::LayerWeights& w, int layer) {
  project(p, w, layer);
  attend(p, w, layer);
  const auto timed = p.a.clock.time("output, residual", weight_bytes(w.output), product_flops(p.n, w.output));
  dense(p, Input(p, p.a.attended.data(), p.n, p.model.config().q_size()), w.output, p.a.x.data(), ops::Store::kAdd);
}

void choose_experts(const Pass& p, const model::LayerWeights& w) {
  const model::Config& c = p.model.config();
  Activations& a = p.a;
  const auto timed = a.clock.time("router", weight_bytes(w.router), product_flops(p.n, w.router));
  ops::rmsnorm(p.device(), a.x.data(), w.mlp_norm, c.norm_eps, p.n, a.normed.data());
  ops::linear(p.device(), p.model.threads(), a.normed.data(), w.router, p.n, a.router.data());
  ops::route(
      p.device(), a.router.data(), p.n, c.n_experts, c.n_experts_per_token, a.expert_ids.data(),
      a.expert_weights.data()
  );
}

// x += the weighted sum of each token's experts.
void expert_block(const Pass& p, const model::LayerWeights& w, int layer) {
  const model::Config& c = p.model.config();
  Activations& a = p.a;
  choose_experts(p, w);
  // Experts that one of the tokens chose, if they choose evenly.
  const double chosen = c.n_experts * (1 - std::pow(1 - static_cast<double>(c.n_experts_per_token) / c.n_experts, p.n));
  const auto timed = a.clock.time(
      "experts", chosen * (expert_bytes(w.gate_up) + expert_bytes(w.down)),
      2.0 * p.n * c.n_experts_per_token * 3 * c.hidden * c.intermediate
  );
  a.load.count(layer, std::span(a.expert_ids).first(area(p.n, c.n_experts_per_token)));
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
      tokens(static_cast<std::size_t>(n)),
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
      experts(n, c.n_experts_per_token, c.n_experts, c.intermediate, c.hidden),
      load(c.n_layers, c.n_experts) {}

namespace {

// The logits that the parts want, from the residual stream of all tokens.
void unembed(const Pass& p) {
  const model::Config& c = p.model.config();
  const model::Weights& w = p.model.weights();
  Activations& a = p.a;
  int n_rows = 0, n_tokens = 0, n_wanting = 0;
  for (const Part& part : p.parts) {
    n_tokens += static_cast<int>(part.tokens.size());
    if (part.n_logits == 0) continue;
    const float* last = a.x.data() + area(n_tokens - part.n_logits, c.hidden);
    ops::rmsnorm(p.device(), last, w.norm, c.norm_eps, part.n_logits, a.normed.data() + area(n_rows, c.hidden));
    n_rows += part.n_logits;
    ++n_wanting;
  }
  if (n_rows == 0) return;
  const auto timed = a.clock.time("unembedding", weight_bytes(w.unembedding), product_flops(n_rows, w.unembedding));
  const auto wants = [](const Part& part) { return part.n_logits > 0; };
  const Input input(p, a.normed.data(), n_rows, c.hidden);
  if (n_wanting == 1) return dense(p, input, w.unembedding, std::ranges::find_if(p.parts, wants)->logits);
  if (a.logits.size() < area(n_rows, c.n_vocab)) a.logits.resize(area(n_rows, c.n_vocab));
  dense(p, input, w.unembedding, a.logits.data());
  const float* row = a.logits.data();
  for (const Part& part : p.parts) {
    std::copy_n(row, area(part.n_logits, c.n_vocab), part.logits);
    row += area(part.n_logits, c.n_vocab);
  }
}

}  // namespace

void forward(const Model& model, Activations& a, std::span<const Part> parts) {
  const model::Config& c = model.config();
  Pass pass = {model, a, parts, 0};
  for (const Part& part : parts) {
    const auto n = static_cast<int>(part.tokens.size());
    TOCCATA_CHECK(n >= 1 && pass.n + n <= a.n_max && part.n_logits <= n);
    part.cache->reserve(n);
    const std::size_t offset = area(pass.n, c.head_dim / 2);
    model.rope().angles(part.cache->size(), n, a.cos.data() + offset, a.sin.data() + offset);
    std::ranges::copy(part.tokens, a.tokens.begin() + pass.n);
    pass.n += n;
  }
  const std::span<const Token> tokens = std::span(a.tokens).first(static_cast<std::size_t>(pass.n));
  ops::embed(pass.device(), model.weights().embedding_rows, tokens, a.x.data());
  for (int layer = 0; layer < c.n_layers; ++layer) {
    attention_block(pass, model.weights().layers[static_cast<std::size_t>(layer)], layer);
    expert_block(pass, model.weights().layers[static_cast<std::size_t>(layer)], layer);
  }
  for (const Part& part : parts) part.cache->advance(static_cast<int>(part.tokens.size()));
  unembed(pass);
}

}  // namespace toccata::engine
