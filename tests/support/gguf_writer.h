// Writes GGUF version 3, for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bf16.h"
#include "core/base/f16.h"
#include "tests/support/tiny_checkpoint.h"

namespace toccata::testing {

class GgufWriter {
 public:
  void text(const std::string& key, std::string_view value) {
    begin_key(key, 8);
    put_string(keys_, value);
  }
  void u32(const std::string& key, std::uint32_t value) {
    begin_key(key, 4);
    put(keys_, value);
  }
  void f32(const std::string& key, float value) {
    begin_key(key, 6);
    put(keys_, value);
  }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    begin_key(key, 9);
    put(keys_, std::uint32_t{8});
    put(keys_, static_cast<std::uint64_t>(values.size()));
    for (const std::string& value : values) put_string(keys_, value);
  }
  void i32s(const std::string& key, const std::vector<std::int32_t>& values) {
    begin_key(key, 9);
    put(keys_, std::uint32_t{5});
    put(keys_, static_cast<std::uint64_t>(values.size()));
    for (const std::int32_t value : values) put(keys_, value);
  }
  // `shape` outermost first.
  void tensor(const std::string& name, std::uint32_t type, const std::vector<int>& shape, std::span<const std::byte> data) {
    put_string(infos_, name);
    put(infos_, static_cast<std::uint32_t>(shape.size()));
    for (auto n = shape.rbegin(); n != shape.rend(); ++n) put(infos_, static_cast<std::uint64_t>(*n));
    put(infos_, type);
    put(infos_, static_cast<std::uint64_t>(data_.size()));
    data_.insert(data_.end(), data.begin(), data.end());
    pad(data_);
    ++n_tensors_;
  }

  std::vector<std::byte> bytes() const {
    std::vector<std::byte> file;
    put(file, std::uint32_t{0x46554747});
    put(file, std::uint32_t{3});
    put(file, n_tensors_);
    put(file, n_keys_);
    file.insert(file.end(), keys_.begin(), keys_.end());
    file.insert(file.end(), infos_.begin(), infos_.end());
    pad(file);
    file.insert(file.end(), data_.begin(), data_.end());
    return file;
  }

 private:
  using Bytes = std::vector<std::byte>;
  template <typename T>
  static void put(Bytes& out, T value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    out.insert(out.end(), raw.begin(), raw.end());
  }
  static void put_string(Bytes& out, std::string_view text) {
    put(out, static_cast<std::uint64_t>(text.size()));
    const auto raw = std::as_bytes(std::span(text));
    out.insert(out.end(), raw.begin(), raw.end());
  }
  static void pad(Bytes& out) { out.resize((out.size() + 31) / 32 * 32); }
  void begin_key(const std::string& key, std::uint32_t type) {
    put_string(keys_, key);
    put(keys_, type);
    ++n_keys_;
  }

  Bytes keys_, infos_, data_;
  std::uint64_t n_keys_ = 0, n_tensors_ = 0;
};

// How the big matrices outside the experts are stored.
enum class GgufDense { kBf16, kF32, kF16, kQ8 };

inline std::vector<std::byte> encode_dense(const std::vector<float>& values, GgufDense type) {
  std::vector<std::byte> out;
  const auto put = [&](const auto& value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    out.insert(out.end(), raw.begin(), raw.end());
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (type == GgufDense::kBf16) put(to_bf16(values[i]));
    if (type == GgufDense::kF32) put(values[i]);
    if (type == GgufDense::kF16) put(f32_to_f16(values[i]));
    if (type != GgufDense::kQ8 || i % 32 != 0) continue;
    float largest = 0;
    for (std::size_t j = i; j < i + 32; ++j) largest = std::max(largest, std::fabs(values[j]));
    const std::uint16_t scale = f32_to_f16(largest / 127);
    put(scale);
    for (std::size_t j = i; j < i + 32; ++j) {
      const float step = f16_to_f32(scale);
      put(static_cast<std::int8_t>(step > 0 ? std::lround(values[j] / step) : 0));
    }
  }
  return out;
}

struct GgufMatrix {
  std::uint32_t type;
  std::vector<std::byte> data;
};
// How a matrix with rows of n_in values is stored.
using GgufEncoder = std::function<GgufMatrix(const std::vector<float>& values, int n_in)>;

inline GgufEncoder dense_encoder(GgufDense dense) {
  return [dense](const std::vector<float>& values, int) {
    constexpr std::uint32_t kTypes[] = {30, 0, 1, 8};  // of GgufDense
    return GgufMatrix{kTypes[static_cast<int>(dense)], encode_dense(values, dense)};
  };
}

// The same model as a TinyCheckpoint, in GGUF: other names, other block order, f32 vectors.
class TinyGguf {
 public:
  explicit TinyGguf(const TinyCheckpoint& from, GgufDense dense = GgufDense::kBf16) : TinyGguf(from, dense_encoder(dense)) {}
  TinyGguf(const TinyCheckpoint& from, GgufEncoder encode) : from_(from), encode_(std::move(encode)) {
    add_metadata();
    const TinyShape& s = from.shape();
    matrix("token_embd.weight", "model.embed_tokens.weight", s.vocab, s.hidden);
    matrix("output.weight", "lm_head.weight", s.vocab, s.hidden);
    vector("output_norm.weight", "model.norm.weight", {s.hidden});
    for (int n = 0; n < s.layers; ++n) {
      add_layer("blk." + std::to_string(n) + ".", "model.layers." + std::to_string(n) + ".");
    }
  }
  GgufWriter& writer() { return writer_; }
  std::vector<std::byte> bytes() const { return writer_.bytes(); }

 private:
  void matrix(const std::string& name, const std::string& hf, int n_out, int n_in) {
    const GgufMatrix matrix = encode_(from_.values(hf), n_in);
    writer_.tensor(name, matrix.type, {n_out, n_in}, matrix.data);
  }
  void vector(const std::string& name, const std::string& hf, const std::vector<int>& shape) {
    const std::vector<float> values = from_.values(hf);
    writer_.tensor(name, 0, shape, std::as_bytes(std::span(values)));
  }
  void linear(const std::string& name, const std::string& hf, int n_out, int n_in) {
    matrix(name + ".weight", hf + ".weight", n_out, n_in);
    vector(name + ".bias", hf + ".bias", {n_out});
  }

  // Rows first, first + step, ... of each expert.
  void expert_rows(const std::string& name, const std::string& hf, int n_out, int n_in, int first, int step) {
    const auto blocks = from_.bytes(hf + "_blocks");
    const auto scales = from_.bytes(hf + "_scales");
    const auto bias = from_.values(hf + "_bias");
    const auto n_blocks = static_cast<std::size_t>(n_in / 32);
    const auto code = [&](std::size_t block, std::size_t i) {
      const auto byte = std::to_integer<unsigned>(blocks[block * 16 + i / 2]);
      return i % 2 == 0 ? byte & 15U : byte >> 4;
    };
    std::vector<std::byte> out;
    std::vector<float> out_bias;
    for (int e = 0; e < from_.shape().experts; ++e) {
      for (int row = first; row < n_out; row += step) {
        const auto whole = static_cast<std::size_t>(e * n_out + row);
        out_bias.push_back(bias[whole]);
        for (std::size_t b = whole * n_blocks; b < (whole + 1) * n_blocks; ++b) {
          out.push_back(scales[b]);
          for (std::size_t j = 0; j < 16; ++j) out.push_back(static_cast<std::byte>(code(b, j) | code(b, j + 16) << 4));
        }
      }
    }
    const int rows = (n_out - first + step - 1) / step;
    writer_.tensor(name + ".weight", 39, {from_.shape().experts, rows, n_in}, out);
    writer_.tensor(name + ".bias", 0, {from_.shape().experts, rows}, std::as_bytes(std::span(out_bias)));
  }

  void add_layer(const std::string& p, const std::string& hf) {
    const TinyShape& s = from_.shape();
    const int q = s.heads * s.head_dim;
    const int kv = s.kv_heads * s.head_dim;
    vector(p + "attn_norm.weight", hf + "input_layernorm.weight", {s.hidden});
    vector(p + "post_attention_norm.weight", hf + "post_attention_layernorm.weight", {s.hidden});
    linear(p + "attn_q", hf + "self_attn.q_proj", q, s.hidden);
    linear(p + "attn_k", hf + "self_attn.k_proj", kv, s.hidden);
    linear(p + "attn_v", hf + "self_attn.v_proj", kv, s.hidden);
    linear(p + "attn_output", hf + "self_attn.o_proj", s.hidden, q);
    vector(p + "attn_sinks.weight", hf + "self_attn.sinks", {s.heads});
    const std::string router = hf + "mlp.router";
    vector(p + "ffn_gate_inp.weight", router + ".weight", {s.experts, s.hidden});
    vector(p + "ffn_gate_inp.bias", router + ".bias", {s.experts});
    expert_rows(p + "ffn_gate_exps", hf + "mlp.experts.gate_up_proj", 2 * s.intermediate, s.hidden, 0, 2);
    expert_rows(p + "ffn_up_exps", hf + "mlp.experts.gate_up_proj", 2 * s.intermediate, s.hidden, 1, 2);
    expert_rows(p + "ffn_down_exps", hf + "mlp.experts.down_proj", s.hidden, s.intermediate, 0, 1);
  }

  // The constants of TinyCheckpoint's config.json.
  void add_metadata() {
    const TinyShape& s = from_.shape();
    const auto number = [&](const std::string& key, int value) {
      writer_.u32("gpt-oss." + key, static_cast<std::uint32_t>(value));
    };
    writer_.text("general.architecture", "gpt-oss");
    number("block_count", s.layers);
    number("context_length", 512);
    number("embedding_length", s.hidden);
    number("feed_forward_length", s.intermediate);
    number("expert_feed_forward_length", s.intermediate);
    number("expert_count", s.experts);
    number("expert_used_count", s.experts_per_token);
    number("attention.head_count", s.heads);
    number("attention.head_count_kv", s.kv_heads);
    number("attention.key_length", s.head_dim);
    number("attention.value_length", s.head_dim);
    number("attention.sliding_window", s.window);
    number("rope.scaling.original_context_length", 128);
    writer_.f32("gpt-oss.attention.layer_norm_rms_epsilon", 1e-5F);
    writer_.f32("gpt-oss.rope.freq_base", 10000);
    writer_.text("gpt-oss.rope.scaling.type", "yarn");
    writer_.f32("gpt-oss.rope.scaling.factor", 4);
    writer_.f32("gpt-oss.rope.scaling.yarn_beta_fast", 8);
    writer_.f32("gpt-oss.rope.scaling.yarn_beta_slow", 1);
  }

  const TinyCheckpoint& from_;
  GgufEncoder encode_;
  GgufWriter writer_;
};

}  // namespace toccata::testing
