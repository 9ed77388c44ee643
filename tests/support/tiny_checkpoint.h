// Random gpt-oss checkpoints in memory, for tests: every tensor of the Hugging Face layout, seeded.
#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/base/bf16.h"
#include "core/base/json.h"
#include "core/model/checkpoint_files.h"

namespace toccata::testing {

struct TinyShape {
  int layers = 2, experts = 4, experts_per_token = 2, hidden = 32, intermediate = 64, heads = 4, kv_heads = 2,
      head_dim = 16, vocab = 50, window = 8;
};

// The bytes of a checkpoint's files, which a test may spoil before it opens them.
class TinyCheckpoint {
 public:
  explicit TinyCheckpoint(TinyShape shape = {}, unsigned seed = 1) : shape_(shape), rng_(seed) {
    add_config();
    add("model.embed_tokens.weight", {shape.vocab, shape.hidden}, 1.0F);
    add("model.norm.weight", {shape.hidden}, 0.2F, 1.0F);
    add("lm_head.weight", {shape.vocab, shape.hidden}, 0.3F);
    for (int n = 0; n < shape.layers; ++n) add_layer("model.layers." + std::to_string(n) + ".");
  }

  const TinyShape& shape() const { return shape_; }
  std::string& config() { return config_; }
  nlohmann::ordered_json& header() { return header_; }
  std::vector<std::byte>& data() { return data_; }
  // The values of a bf16 tensor, as f32.
  std::vector<float> values(const std::string& name) const {
    const auto offsets = header_.at(name).at("data_offsets");
    const auto begin = offsets[0].get<std::size_t>();
    std::vector<float> out((offsets[1].get<std::size_t>() - begin) / 2);
    for (std::size_t i = 0; i < out.size(); ++i) {
      Bf16 raw = 0;
      std::memcpy(&raw, data_.data() + begin + 2 * i, 2);
      out[i] = to_f32(raw);
    }
    return out;
  }
  std::span<const std::byte> bytes(const std::string& name) const {
    const auto offsets = header_.at(name).at("data_offsets");
    return std::span(data_).subspan(
        offsets[0].get<std::size_t>(), offsets[1].get<std::size_t>() - offsets[0].get<std::size_t>()
    );
  }

  std::vector<std::byte> safetensors() const {
    std::string text = json_text(header_);
    while (text.size() % 8 != 0) text += ' ';
    std::vector<std::byte> file(8 + text.size() + data_.size());
    const std::uint64_t size = text.size();
    std::memcpy(file.data(), &size, 8);
    std::memcpy(file.data() + 8, text.data(), text.size());
    std::copy(data_.begin(), data_.end(), file.begin() + static_cast<std::ptrdiff_t>(8 + text.size()));
    return file;
  }

  // The object must outlive what this returns.
  std::shared_ptr<model::CheckpointFiles> files() {
    file_ = safetensors();
    return model::checkpoint_in_memory(
        "tiny", {{"config.json", std::as_bytes(std::span(config_))}, {"model.safetensors", file_}}
    );
  }

 private:
  void add_config() {
    const nlohmann::ordered_json json = {
        {"model_type", "gpt_oss"},
        {"num_hidden_layers", shape_.layers},
        {"num_local_experts", shape_.experts},
        {"num_experts_per_tok", shape_.experts_per_token},
        {"hidden_size", shape_.hidden},
        {"intermediate_size", shape_.intermediate},
        {"num_attention_heads", shape_.heads},
        {"num_key_value_heads", shape_.kv_heads},
        {"head_dim", shape_.head_dim},
        {"vocab_size", shape_.vocab},
        {"sliding_window", shape_.window},
        {"swiglu_limit", 7.0},
        {"rope_theta", 10000.0},
        {"max_position_embeddings", 512},
        {"rope_scaling",
         {{"rope_type", "yarn"},
          {"factor", 4.0},
          {"beta_fast", 8.0},
          {"beta_slow", 1.0},
          {"original_max_position_embeddings", 128},
          {"truncate", false}}}};
    config_ = json_text(json);
  }

  void add_layer(const std::string& p) {
    const TinyShape& s = shape_;
    const int q = s.heads * s.head_dim;
    const int kv = s.kv_heads * s.head_dim;
    add(p + "input_layernorm.weight", {s.hidden}, 0.2F, 1.0F);
    add(p + "post_attention_layernorm.weight", {s.hidden}, 0.2F, 1.0F);
    for (const auto& [name, n] : {std::pair("q", q), std::pair("k", kv), std::pair("v", kv)}) {
      add(p + "self_attn." + name + "_proj.weight", {n, s.hidden}, 0.2F);
      add(p + "self_attn." + name + "_proj.bias", {n}, 0.2F);
    }
    add(p + "self_attn.o_proj.weight", {s.hidden, q}, 0.2F);
    add(p + "self_attn.o_proj.bias", {s.hidden}, 0.2F);
    add(p + "self_attn.sinks", {s.heads}, 1.0F);
    add(p + "mlp.router.weight", {s.experts, s.hidden}, 0.5F);
    add(p + "mlp.router.bias", {s.experts}, 0.2F);
    add_experts(p + "mlp.experts.gate_up_proj", 2 * s.intermediate, s.hidden);
    add_experts(p + "mlp.experts.down_proj", s.hidden, s.intermediate);
  }

  void add_experts(const std::string& name, int n_out, int n_in) {
    const int n_blocks = n_in / 32;
    std::vector<std::byte> codes(static_cast<std::size_t>(shape_.experts * n_out * n_blocks * 16));
    for (std::byte& b : codes) b = static_cast<std::byte>(rng_() & 255);
    std::vector<std::byte> scales(static_cast<std::size_t>(shape_.experts * n_out * n_blocks));
    for (std::byte& b : scales) b = static_cast<std::byte>(121 + rng_() % 4);
    add_raw(name + "_blocks", "U8", {shape_.experts, n_out, n_blocks, 16}, codes);
    add_raw(name + "_scales", "U8", {shape_.experts, n_out, n_blocks}, scales);
    add(name + "_bias", {shape_.experts, n_out}, 0.2F);
  }

  void add(const std::string& name, const std::vector<int>& shape, float spread, float middle = 0) {
    std::size_t n = 1;
    for (const int d : shape) n *= static_cast<std::size_t>(d);
    std::vector<std::byte> raw(2 * n);
    for (std::size_t i = 0; i < n; ++i) {
      const float unit = static_cast<float>(rng_() % 20001) / 10000.0F - 1.0F;
      const Bf16 value = to_bf16(middle + spread * unit);
      std::memcpy(raw.data() + 2 * i, &value, 2);
    }
    add_raw(name, "BF16", shape, raw);
  }

  void add_raw(const std::string& name, const char* dtype, const std::vector<int>& shape, const std::vector<std::byte>& raw) {
    header_[name] = {
        {"dtype", dtype}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + raw.size()}}};
    data_.insert(data_.end(), raw.begin(), raw.end());
  }

  TinyShape shape_;
  std::mt19937 rng_;
  std::string config_;
  nlohmann::ordered_json header_;
  std::vector<std::byte> data_;
  std::vector<std::byte> file_;
};

}  // namespace toccata::testing
