#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/base/thread_pool.h"
#include "core/model/gguf.h"
#include "core/model/gguf_checkpoint.h"
#include "core/model/gguf_quants.h"
#include "core/model/safetensors.h"

namespace toccata::model {
namespace {

using Shape = std::vector<std::int64_t>;

// Matrices below this are dequantised before a second thread has started.
constexpr std::size_t kSmallMatrix = std::size_t{1} << 20;

class Loader {
 public:
  Loader(CheckpointFiles& files, Weights& weights, int n_threads)
      : name_(files.name()),
        gguf_(parse_gguf(files.read(kGgufFile).value_or_throw(), name_).value_or_throw()),
        weights_(weights),
        c_(weights.config),
        n_threads_(n_threads) {}

  void load() {
    weights_.embedding_rows = matrix("token_embd.weight", c_.n_vocab, c_.hidden);
    weights_.embedding = weights_.embedding_rows.weight;
    for (int n = 0; n < c_.n_layers; ++n) weights_.layers.push_back(layer("blk." + std::to_string(n) + "."));
    weights_.norm = vector("output_norm.weight", {c_.hidden});
    weights_.unembedding = matrix("output.weight", c_.n_vocab, c_.hidden);
  }

 private:
  const GgufTensor& get(const std::string& tensor, const Shape& shape) const {
    const auto found = gguf_.tensors.find(tensor);
    if (found == gguf_.tensors.end()) {
      throw Exception(
          ErrorCode::kNotFound, name_ + ": no tensor " + tensor + "; expected " + shape_text(shape) + " among the " +
                                    std::to_string(gguf_.tensors.size()) + " tensors of the file"
      );
    }
    if (found->second.shape != shape) {
      throw Exception(
          ErrorCode::kCorrupt, name_ + ": tensor " + tensor + " is " + shape_text(found->second.shape) +
                                   ", expected " + shape_text(shape) + " by the metadata (outermost first)"
      );
    }
    return found->second;
  }

  [[noreturn]] void refuse(const std::string& tensor, GgufType found, const char* expected) const {
    throw Exception(
        ErrorCode::kUnsupported,
        name_ + ": tensor " + tensor + " is " + to_string(found) + ", expected " + expected
    );
  }

  // Norms, biases and sinks, rounded to bf16 when they are not bf16 numbers to begin with.
  std::span<const Bf16> vector(const std::string& tensor, const Shape& shape) const {
    const GgufTensor& t = get(tensor, shape);
    if (t.type == GgufType::kBf16) return {reinterpret_cast<const Bf16*>(t.data.data()), t.data.size() / 2};
    if (t.type != GgufType::kF32) refuse(tensor, t.type, "F32 or BF16");
    std::vector<Bf16> values(t.data.size() / sizeof(float));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float value = 0;
      std::memcpy(&value, t.data.data() + i * sizeof value, sizeof value);
      values[i] = to_bf16(value);
    }
    return keep(std::move(values));
  }

  std::span<const Bf16> keep(std::vector<Bf16> values) const {
    return *weights_.made.emplace_back(std::make_shared<const std::vector<Bf16>>(std::move(values)));
  }

  // The matrix as bf16. A value that is no number is an error: it could only come from a damaged scale.
  std::span<const Bf16> dequantized(const std::string& tensor, const GgufTensor& t, std::size_t n_out, std::size_t n_in) {
    std::vector<Bf16> values(n_out * n_in);
    const std::size_t row_bytes = t.data.size() / n_out;
    std::atomic<std::size_t> bad_row = n_out;
    const auto rows = [&](std::size_t begin, std::size_t end) {
      std::vector<float> row(n_in);
      for (std::size_t r = begin; r < end; ++r) {
        dequantize(t.type, t.data.data() + r * row_bytes, n_in, row.data());
        bool finite = true;
        for (std::size_t i = 0; i < n_in; ++i) {
          finite = finite && std::isfinite(row[i]);
          values[r * n_in + i] = to_bf16(row[i]);
        }
        if (!finite) bad_row = r;
      }
    };
    if (values.size() < kSmallMatrix) {
      rows(0, n_out);
    } else {
      if (!threads_) threads_.emplace(n_threads_);
      threads_->parallel_for(n_out, 64, rows);
    }
    if (bad_row != n_out) {
      throw Exception(
          ErrorCode::kCorrupt, name_ + ": tensor " + tensor + " (" + to_string(t.type) + "): a scale in row " +
                                   std::to_string(bad_row) + " is infinite or NaN: the file is damaged"
      );
    }
    return keep(std::move(values));
  }

  Linear matrix(const std::string& tensor, int n_out, int n_in) {
    const GgufTensor& t = get(tensor, {n_out, n_in});
    Linear linear;
    linear.n_out = n_out;
    linear.n_in = n_in;
    switch (t.type) {
      case GgufType::kBf16:
        linear.weight = {reinterpret_cast<const Bf16*>(t.data.data()), t.data.size() / 2};
        return linear;
      case GgufType::kF32: linear.type = DenseType::kF32; break;
      case GgufType::kF16: linear.type = DenseType::kF16; break;
      case GgufType::kQ8_0: linear.type = DenseType::kQ8_0; break;
      default:
        if (!is_quantized(t.type)) refuse(tensor, t.type, "BF16, F32, F16, Q8_0, Q4_0 to Q5_1, Q2_K to Q6_K, IQ4_NL or IQ4_XS");
        linear.weight = dequantized(tensor, t, static_cast<std::size_t>(n_out), static_cast<std::size_t>(n_in));
        return linear;
    }
    linear.packed = t.data;
    return linear;
  }

  Linear with_bias(const std::string& name, int n_out, int n_in) {
    Linear linear = matrix(name + ".weight", n_out, n_in);
    linear.bias = vector(name + ".bias", {n_out});
    return linear;
  }

  // Published files widen the router to f32; where nothing was lost by that it goes back to bf16, so that its sums are
  // those of the other layouts.
  Linear router(const std::string& name) {
    Linear linear = with_bias(name, c_.n_experts, c_.hidden);
    if (linear.type != DenseType::kF32) return linear;
    std::vector<Bf16> values(linear.packed.size() / sizeof(float));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float value = 0;
      std::memcpy(&value, linear.packed.data() + i * sizeof value, sizeof value);
      values[i] = to_bf16(value);
      if (to_f32(values[i]) != value) return linear;
    }
    linear.weight = keep(std::move(values));
    linear.type = DenseType::kBf16;
    linear.packed = {};
    return linear;
  }

  std::span<const std::uint8_t> expert_rows(const std::string& tensor, int n_out, int n_in) const {
    const GgufTensor& t = get(tensor, {c_.n_experts, n_out, n_in});
    if (t.type != GgufType::kMxfp4) refuse(tensor, t.type, "MXFP4");
    for (std::size_t at = 0; at < t.data.size(); at += kGgufMxfp4Bytes) {
      if (t.data[at] == std::byte{255}) {
        throw Exception(
            ErrorCode::kCorrupt, name_ + ": tensor " + tensor + ": the scale of block " +
                                     std::to_string(at / kGgufMxfp4Bytes) + " is 255 (NaN): the file is damaged"
        );
      }
    }
    return {reinterpret_cast<const std::uint8_t*>(t.data.data()), t.data.size()};
  }

  ExpertLinear gate_up(const std::string& p) const {
    ExpertLinear e;
    e.n_experts = c_.n_experts;
    e.n_out = 2 * c_.intermediate;
    e.n_in = c_.hidden;
    e.rows = expert_rows(p + "ffn_gate_exps.weight", c_.intermediate, c_.hidden);
    e.odd_rows = expert_rows(p + "ffn_up_exps.weight", c_.intermediate, c_.hidden);
    const auto gate = vector(p + "ffn_gate_exps.bias", {c_.n_experts, c_.intermediate});
    const auto up = vector(p + "ffn_up_exps.bias", {c_.n_experts, c_.intermediate});
    std::vector<Bf16> bias;
    for (std::size_t i = 0; i < gate.size(); ++i) bias.insert(bias.end(), {gate[i], up[i]});
    e.bias = keep(std::move(bias));
    return e;
  }

  ExpertLinear down(const std::string& p) const {
    ExpertLinear e;
    e.n_experts = c_.n_experts;
    e.n_out = c_.hidden;
    e.n_in = c_.intermediate;
    e.rows = expert_rows(p + "ffn_down_exps.weight", c_.hidden, c_.intermediate);
    e.bias = vector(p + "ffn_down_exps.bias", {c_.n_experts, c_.hidden});
    return e;
  }

  LayerWeights layer(const std::string& p) {
    LayerWeights layer;
    layer.attention_norm = vector(p + "attn_norm.weight", {c_.hidden});
    layer.q = with_bias(p + "attn_q", c_.q_size(), c_.hidden);
    layer.k = with_bias(p + "attn_k", c_.kv_size(), c_.hidden);
    layer.v = with_bias(p + "attn_v", c_.kv_size(), c_.hidden);
    layer.output = with_bias(p + "attn_output", c_.hidden, c_.q_size());
    layer.sinks = vector(p + "attn_sinks.weight", {c_.n_heads});
    layer.mlp_norm = vector(p + "post_attention_norm.weight", {c_.hidden});
    layer.router = router(p + "ffn_gate_inp");
    layer.gate_up = gate_up(p);
    layer.down = down(p);
    return layer;
  }

  const std::string& name_;
  Gguf gguf_;
  Weights& weights_;
  const Config& c_;
  int n_threads_;
  std::optional<ThreadPool> threads_;  // when a matrix is large enough
};

}  // namespace

void load_gguf_weights(CheckpointFiles& files, Weights& weights, int n_threads) { Loader(files, weights, n_threads).load(); }

}  // namespace toccata::model
