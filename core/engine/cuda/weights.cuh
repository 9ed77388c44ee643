// Weights on their way from mapped files to where the kernels read them.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/cuda/device/dense.cuh"
#include "core/cuda/device/mxfp4.cuh"
#include "core/engine/cuda/common.cuh"
#include "core/engine/cuda/placement.h"
#include "core/model/weights.h"

namespace toccata::engine::device_side {

struct LayerOnDevice {
  const std::uint16_t* attention_norm = nullptr;
  QkvWeights qkv;
  Dense output;
  const std::uint16_t* sinks = nullptr;
  const std::uint16_t* mlp_norm = nullptr;
  Dense router;
  Experts gate_up, down;
  bool windowed = false;
  bool experts_in_host_memory = false;
};

inline void check_shape(const model::Config& c) {
  const int d = c.head_dim;
  if (d != 16 && d != 32 && d != 64 && d != 128) unsupported("a head size of " + std::to_string(d));
  const int group = c.n_heads / c.n_kv_heads;
  if (group > 8) unsupported(std::to_string(group) + " query heads a key head");
  if (c.hidden % 32 != 0 || c.intermediate % 32 != 0 || c.q_size() % 32 != 0) {
    unsupported("widths that are no multiple of 32");
  }
  if (c.n_experts > 1024) unsupported(std::to_string(c.n_experts) + " experts");
}

// The kernels read bf16 and packed MXFP4 blocks; a GGUF may hold other types.
inline void check_types(const model::Weights& w) {
  const auto dense = [](const model::Linear& l) {
    if (l.type != model::DenseType::kBf16) unsupported("dense layers in any type but bf16");
  };
  if (w.embedding.empty()) unsupported("an embedding in any type but bf16");
  dense(w.unembedding);
  for (const model::LayerWeights& l : w.layers) {
    for (const model::Linear* one : {&l.q, &l.k, &l.v, &l.output, &l.router}) dense(*one);
    if (!l.gate_up.rows.empty() || !l.down.rows.empty()) unsupported("experts as a GGUF lays them out");
  }
}

inline std::size_t expert_bytes(const model::ExpertLinear& w) {
  return w.blocks.size_bytes() + w.scales.size_bytes() + w.bias.size_bytes();
}
inline std::size_t dense_bytes(const model::Weights& w) {
  std::size_t n = w.norm.size_bytes() + w.unembedding.weight.size_bytes();
  for (const model::LayerWeights& l : w.layers) {
    n += l.attention_norm.size_bytes() + l.sinks.size_bytes() + l.mlp_norm.size_bytes();
    for (const model::Linear* one : {&l.q, &l.k, &l.v, &l.output, &l.router}) n += one->weight.size_bytes() + one->bias.size_bytes();
  }
  return n;
}

// Copies arrays to device memory through pinned buffers: while one crosses the bus the next is filled by all threads,
// which is what reads the mapped file. Or to pinned host memory, which kernels read in place.
class Uploader {
 public:
  Uploader() : threads_(std::make_unique<ThreadPool>(static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U)))) {}

  void keep_in_host_memory(bool yes) { in_host_ = yes; }
  const void* upload(const void* from, std::size_t bytes) {
    if (in_host_) {
      host_.emplace_back(std::max<std::size_t>(bytes, 16));
      fill(host_.back().data(), from, bytes);
      host_total_ += bytes;
      return host_.back().data();
    }
    device_.emplace_back(std::max<std::size_t>(bytes, 16));
    std::byte* to = device_.back().data();
    for (std::size_t at = 0; at < bytes; at += kStageBytes) {
      const std::size_t n = std::min(kStageBytes, bytes - at);
      Lane& lane = lanes_[next_++ % kLanes];
      lane.stream.wait();
      if (lane.buffer.size() == 0) lane.buffer = Pinned<std::byte>(kStageBytes);
      fill(lane.buffer.data(), static_cast<const std::byte*>(from) + at, n);
      copy_bytes(to + at, lane.buffer.data(), n, lane.stream);
    }
    total_ += device_.back().bytes();
    return to;
  }
  const std::uint16_t* upload(std::span<const Bf16> values) {
    return values.empty() ? nullptr : static_cast<const std::uint16_t*>(upload(values.data(), values.size_bytes()));
  }
  Dense upload(const model::Linear& w) { return Dense{upload(w.weight), upload(w.bias), w.n_out, w.n_in}; }
  Experts upload(const model::ExpertLinear& w) {
    return {
        static_cast<const std::uint8_t*>(upload(w.blocks.data(), w.blocks.size_bytes())),
        static_cast<const std::uint8_t*>(upload(w.scales.data(), w.scales.size_bytes())), upload(w.bias), w.n_experts,
        w.n_out, w.n_in};
  }
  void finish() {
    for (Lane& lane : lanes_) {
      lane.stream.wait();
      lane.buffer = {};
    }
    threads_.reset();
  }
  std::size_t total() const { return total_; }
  std::size_t host_total() const { return host_total_; }

 private:
  static constexpr std::size_t kStageBytes = std::size_t{32} << 20;
  static constexpr std::size_t kLanes = 3;
  struct Lane {
    Stream stream;
    Pinned<std::byte> buffer;
  };
  void fill(std::byte* to, const void* from, std::size_t bytes) {
    threads_->parallel_for(bytes, std::size_t{1} << 20, [&](std::size_t begin, std::size_t end) {
      std::memcpy(to + begin, static_cast<const std::byte*>(from) + begin, end - begin);
    });
  }
  std::unique_ptr<ThreadPool> threads_;
  Lane lanes_[kLanes];
  std::size_t next_ = 0;
  bool in_host_ = false;
  std::size_t total_ = 0, host_total_ = 0;
  std::vector<Array<std::byte>> device_;
  std::vector<Pinned<std::byte>> host_;
};

class DeviceWeights {
 public:
  const std::uint16_t* embedding = nullptr;
  const std::uint16_t* norm = nullptr;
  Dense unembedding;
  std::vector<LayerOnDevice> layers;

  void load(const model::Weights& w, const Placement& placement) {
    Uploader& up = uploader_.emplace();
    up.keep_in_host_memory(!placement.embedding_on_device);
    embedding = up.upload(w.embedding);
    for (std::size_t n = 0; n < w.layers.size(); ++n) {
      const model::LayerWeights& l = w.layers[n];
      up.keep_in_host_memory(false);
      LayerOnDevice layer{
          up.upload(l.attention_norm), {up.upload(l.q), up.upload(l.k), up.upload(l.v), w.config.head_dim},
          up.upload(l.output), up.upload(l.sinks), up.upload(l.mlp_norm), up.upload(l.router), {}, {},
          w.config.windowed(static_cast<int>(n))};
      layer.experts_in_host_memory = static_cast<int>(n) >= placement.expert_layers_on_device;
      up.keep_in_host_memory(layer.experts_in_host_memory);
      layer.gate_up = up.upload(l.gate_up);
      layer.down = up.upload(l.down);
      layers.push_back(layer);
    }
    up.keep_in_host_memory(false);
    norm = up.upload(w.norm);
    unembedding = up.upload(w.unembedding);
    up.finish();
    if (placement.staging) {
      for (int i = 0; i < 2; ++i) {
        const model::ExpertLinear& one = i == 0 ? w.layers[0].gate_up : w.layers[0].down;
        blocks_[i] = Array<std::byte>(one.blocks.size_bytes());
        scales_[i] = Array<std::byte>(one.scales.size_bytes());
      }
    }
  }
  std::size_t device_bytes() const { return uploader_->total(); }
  std::size_t host_bytes() const { return uploader_->host_total(); }

  // The layer with its experts in device memory: itself, or a copy that is good until the next call.
  LayerOnDevice staged(const LayerOnDevice& layer, const Stream& stream) {
    if (!layer.experts_in_host_memory) return layer;
    LayerOnDevice here = layer;
    for (int i = 0; i < 2; ++i) {
      Experts& one = i == 0 ? here.gate_up : here.down;
      copy_bytes(blocks_[i].data(), one.blocks, blocks_[i].bytes(), stream);
      copy_bytes(scales_[i].data(), one.scales, scales_[i].bytes(), stream);
      one.blocks = reinterpret_cast<const std::uint8_t*>(blocks_[i].data());
      one.scales = reinterpret_cast<const std::uint8_t*>(scales_[i].data());
    }
    return here;
  }

 private:
  std::optional<Uploader> uploader_;  // owns the memory
  Array<std::byte> blocks_[2], scales_[2];
};

}  // namespace toccata::engine::device_side
