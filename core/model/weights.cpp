#include "core/model/weights.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/base/json.h"
#include "core/base/json_depth.h"
#include "core/model/gguf_checkpoint.h"
#include "core/model/safetensors.h"

namespace toccata::model {
namespace {

using Shape = std::vector<std::int64_t>;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// All tensors of a checkpoint, however many files they are spread over.
class Tensors {
 public:
  explicit Tensors(CheckpointFiles& files) : files_(files) {
    if (files.has("model.safetensors.index.json")) {
      read_index();
    } else {
      read_file("model.safetensors");
    }
  }

  bool has(const std::string& name) const { return tensors_.contains(name); }
  // The file that holds a tensor that is there.
  const std::string& file_of(const std::string& name) const { return tensors_.at(name).file; }

  // The tensor, of exactly this type and shape.
  const TensorView& get(const std::string& name, DType dtype, const Shape& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw Exception(
          ErrorCode::kNotFound, files_.name() + ": no tensor " + name + "; expected " + shape_text(shape) +
                                    " " + to_string(dtype) + " among the " +
                                    std::to_string(tensors_.size()) + " tensors of the checkpoint"
      );
    }
    const TensorView& view = found->second;
    if (view.shape != shape || view.dtype != dtype) {
      throw Exception(
          ErrorCode::kCorrupt, view.file + ": tensor " + name + " is " + shape_text(view.shape) + " " +
                                   to_string(view.dtype) + ", expected " + shape_text(shape) + " " +
                                   to_string(dtype) + " by config.json"
      );
    }
    return view;
  }

  std::span<const Bf16> bf16(const std::string& name, const Shape& shape) const {
    const TensorView& view = get(name, DType::kBf16, shape);
    if (reinterpret_cast<std::uintptr_t>(view.data.data()) % alignof(Bf16) != 0) {
      throw Exception(ErrorCode::kCorrupt, view.file + ": tensor " + name + " starts at an odd byte");
    }
    return {reinterpret_cast<const Bf16*>(view.data.data()), view.data.size() / sizeof(Bf16)};
  }

  std::span<const std::uint8_t> u8(const std::string& name, const Shape& shape) const {
    const TensorView& view = get(name, DType::kU8, shape);
    return {reinterpret_cast<const std::uint8_t*>(view.data.data()), view.data.size()};
  }

 private:
  void read_file(const std::string& file) {
    const auto bytes = files_.read(file).value_or_throw();
    auto parsed = parse_safetensors(bytes, files_.name() + "/" + file).value_or_throw();
    tensors_.merge(parsed);
  }

  // weight_map says which file holds which tensor; file names are not interpreted.
  void read_index() {
    const std::string file = "model.safetensors.index.json";
    const std::string_view text = as_text(files_.read(file).value_or_throw());
    const auto index = json_depth(text) > 8 ? nlohmann::json() : json_from<nlohmann::json>(text);
    const auto map = index.is_object() ? index.value("weight_map", nlohmann::json()) : nlohmann::json();
    if (!map.is_object()) {
      throw Exception(ErrorCode::kCorrupt, files_.name() + "/" + file + ": no 'weight_map' object");
    }
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : map.items()) {
      const std::string name = shard.is_string() ? shard.get<std::string>() : "";
      if (name.empty() || name.find('/') != std::string::npos) {
        throw Exception(
            ErrorCode::kCorrupt, files_.name() + "/" + file + ": tensor " + tensor + " is mapped to " +
                                     json_text(shard) + ", expected the name of a file beside the index"
        );
      }
      shards.insert(name);
    }
    for (const std::string& shard : shards) read_file(shard);
  }

  CheckpointFiles& files_;
  std::map<std::string, TensorView> tensors_;
};

// What the two layouts call the tensors of a layer.
struct Names {
  bool hf;
  std::string layer(int n) const {
    return (hf ? "model.layers." : "block.") + std::to_string(n) + ".";
  }
  const char* embedding() const { return hf ? "model.embed_tokens.weight" : "embedding.weight"; }
  const char* unembedding() const { return hf ? "lm_head.weight" : "unembedding.weight"; }
  const char* norm() const { return hf ? "model.norm.weight" : "norm.scale"; }
  const char* attention_norm() const { return hf ? "input_layernorm.weight" : "attn.norm.scale"; }
  const char* mlp_norm() const { return hf ? "post_attention_layernorm.weight" : "mlp.norm.scale"; }
  const char* output() const { return hf ? "self_attn.o_proj" : "attn.out"; }
  const char* sinks() const { return hf ? "self_attn.sinks" : "attn.sinks"; }
  const char* router() const { return hf ? "mlp.router" : "mlp.gate"; }
  const char* gate_up() const { return hf ? "mlp.experts.gate_up_proj" : "mlp.mlp1"; }
  const char* down() const { return hf ? "mlp.experts.down_proj" : "mlp.mlp2"; }
};

Linear linear(const Tensors& tensors, const std::string& name, int n_out, int n_in) {
  return {
      tensors.bf16(name + ".weight", {n_out, n_in}), tensors.bf16(name + ".bias", {n_out}), n_out, n_in};
}

Linear rows(const Linear& whole, int first, int n_out) {
  const auto begin = static_cast<std::size_t>(first);
  const auto count = static_cast<std::size_t>(n_out);
  const auto n_in = static_cast<std::size_t>(whole.n_in);
  return {
      whole.weight.subspan(begin * n_in, count * n_in), whole.bias.subspan(begin, count), n_out,
      whole.n_in};
}

void load_qkv(const Tensors& tensors, const Names& names, const std::string& prefix, const Config& c, LayerWeights& layer) {
  if (names.hf) {
    layer.q = linear(tensors, prefix + "self_attn.q_proj", c.q_size(), c.hidden);
    layer.k = linear(tensors, prefix + "self_attn.k_proj", c.kv_size(), c.hidden);
    layer.v = linear(tensors, prefix + "self_attn.v_proj", c.kv_size(), c.hidden);
    return;
  }
  const Linear qkv = linear(tensors, prefix + "attn.qkv", c.q_size() + 2 * c.kv_size(), c.hidden);
  layer.q = rows(qkv, 0, c.q_size());
  layer.k = rows(qkv, c.q_size(), c.kv_size());
  layer.v = rows(qkv, c.q_size() + c.kv_size(), c.kv_size());
}

// 255 is NaN in the MX standard and in no sound checkpoint. Scales are 1/17 of the experts' bytes.
void check_scales(std::span<const std::uint8_t> scales, const std::string& file, const std::string& name) {
  const auto bad = std::find(scales.begin(), scales.end(), std::uint8_t{255});
  if (bad == scales.end()) return;
  throw Exception(
      ErrorCode::kCorrupt, file + ": tensor " + name + ": scale " + std::to_string(bad - scales.begin()) +
                               " is 255 (NaN): the checkpoint is damaged"
  );
}

ExpertLinear experts(const Tensors& tensors, const Names& names, const std::string& name, int n_experts, int n_out, int n_in) {
  const std::string blocks = name + (names.hf ? "_blocks" : "_weight.blocks");
  const std::string scales = name + (names.hf ? "_scales" : "_weight.scales");
  if (!tensors.has(blocks) && tensors.has(name)) {
    throw Exception(
        ErrorCode::kUnsupported,
        tensors.file_of(name) + ": tensor " + name + " holds unpacked experts; expected MXFP4 (" + blocks + " and " + scales + ")"
    );
  }
  ExpertLinear e;
  e.blocks = tensors.u8(blocks, {n_experts, n_out, n_in / 32, 16});
  e.scales = tensors.u8(scales, {n_experts, n_out, n_in / 32});
  check_scales(e.scales, tensors.file_of(scales), scales);
  e.bias = tensors.bf16(name + "_bias", {n_experts, n_out});
  e.n_experts = n_experts;
  e.n_out = n_out;
  e.n_in = n_in;
  return e;
}

LayerWeights load_layer(const Tensors& tensors, const Names& names, const Config& c, int n) {
  const std::string prefix = names.layer(n);
  LayerWeights layer;
  layer.attention_norm = tensors.bf16(prefix + names.attention_norm(), {c.hidden});
  load_qkv(tensors, names, prefix, c, layer);
  layer.output = linear(tensors, prefix + names.output(), c.hidden, c.q_size());
  layer.sinks = tensors.bf16(prefix + names.sinks(), {c.n_heads});
  layer.mlp_norm = tensors.bf16(prefix + names.mlp_norm(), {c.hidden});
  layer.router = linear(tensors, prefix + names.router(), c.n_experts, c.hidden);
  layer.gate_up =
      experts(tensors, names, prefix + names.gate_up(), c.n_experts, 2 * c.intermediate, c.hidden);
  layer.down = experts(tensors, names, prefix + names.down(), c.n_experts, c.hidden, c.intermediate);
  return layer;
}

}  // namespace

std::shared_ptr<const Weights> load_weights(std::shared_ptr<CheckpointFiles> files, int n_threads) {
  auto weights = std::make_shared<Weights>();
  const auto config_bytes = files->read("config.json").value_or_throw();
  weights->config =
      parse_config(as_text(config_bytes), files->name() + "/config.json").value_or_throw();
  const Config& c = weights->config;
  if (files->has(kGgufFile)) {
    load_gguf_weights(*files, *weights, n_threads);
    weights->files = std::move(files);
    return weights;
  }
  const Tensors tensors(*files);
  const Names names{.hf = !tensors.has("embedding.weight")};

  weights->embedding = tensors.bf16(names.embedding(), {c.n_vocab, c.hidden});
  weights->embedding_rows = {weights->embedding, {}, c.n_vocab, c.hidden};
  for (int n = 0; n < c.n_layers; ++n) weights->layers.push_back(load_layer(tensors, names, c, n));
  weights->norm = tensors.bf16(names.norm(), {c.hidden});
  weights->unembedding = {tensors.bf16(names.unembedding(), {c.n_vocab, c.hidden}), {}, c.n_vocab, c.hidden};
  weights->files = std::move(files);
  return weights;
}

}  // namespace toccata::model
