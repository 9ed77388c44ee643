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
#include "core/engine/cuda/layout.h"
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

// Brings arrays to device memory through pinned buffers: while one crosses the bus the next is filled by all threads, which
// is what reads the mapped file and changes its layout. Or to pinned host memory, which kernels read in place.
class Uploader {
 public:
  explicit Uploader(RoundingError& rounding)
      : rounding_(rounding), threads_(std::make_unique<ThreadPool>(static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U)))) {}

  void keep_in_host_memory(bool yes) { in_host_ = yes; }
  const void* upload(const Pieces& from) {
    if (in_host_) {
      host_.emplace_back(std::max<std::size_t>(from.bytes, 16));
      fill(host_.back().data(), from, 0, from.bytes);
      host_total_ += from.bytes;
      return host_.back().data();
    }
    device_.emplace_back(std::max<std::size_t>(from.bytes, 16));
    std::byte* to = device_.back().data();
    const std::size_t step = kStageBytes / from.unit * from.unit;
    for (std::size_t at = 0; at < from.bytes; at += step) {
      const std::size_t n = std::min(step, from.bytes - at);
      Lane& lane = lanes_[next_++ % kLanes];
      lane.stream.wait();
      if (lane.buffer.size() == 0) lane.buffer = Pinned<std::byte>(kStageBytes);
      fill(lane.buffer.data(), from, at, n);
      copy_bytes(to + at, lane.buffer.data(), n, lane.stream);
    }
    total_ += device_.back().bytes();
    return to;
  }
  const std::uint16_t* upload(std::span<const Bf16> values) {
    return values.empty() ? nullptr : static_cast<const std::uint16_t*>(upload(as_it_is(std::as_bytes(values))));
  }
  Dense upload(const model::Linear& w, bool q8) {
    Dense dense;
    dense.n_out = w.n_out;
    dense.n_in = w.n_in;
    if (q8) {
      dense.codes = static_cast<const std::int8_t*>(upload(q8_codes(w)));
      dense.scales = static_cast<const std::uint16_t*>(upload(q8_scales(w)));
    } else {
      dense.weight = static_cast<const std::uint16_t*>(upload(as_bf16(w, rounding_)));
    }
    dense.bias = upload(w.bias);
    return dense;
  }
  Experts upload(const model::ExpertLinear& w) {
    return {
        static_cast<const std::uint8_t*>(upload(expert_blocks(w))), static_cast<const std::uint8_t*>(upload(expert_scales(w))),
        upload(w.bias), w.n_experts, w.n_out, w.n_in};
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
  void fill(std::byte* to, const Pieces& from, std::size_t at, std::size_t bytes) {
    threads_->parallel_for(bytes / from.unit, (std::size_t{1} << 20) / from.unit, [&](std::size_t begin, std::size_t end) {
      from.make(at + begin * from.unit, at + end * from.unit, to + begin * from.unit);
    });
  }
  RoundingError& rounding_;
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
  Dense embedding;
  const std::uint16_t* norm = nullptr;
  Dense unembedding;
  std::vector<LayerOnDevice> layers;

  void load(const model::Weights& w, const Placement& placement) {
    Uploader& up = uploader_.emplace(rounding_);
    up.keep_in_host_memory(!placement.embedding_on_device);
    const model::Linear table = embedding_of(w);
    embedding = up.upload(table, stays_q8(table));
    for (std::size_t n = 0; n < w.layers.size(); ++n) {
      const model::LayerWeights& l = w.layers[n];
      up.keep_in_host_memory(false);
      const bool q8 = qkv_stays_q8(l);
      LayerOnDevice layer{
          up.upload(l.attention_norm), {up.upload(l.q, q8), up.upload(l.k, q8), up.upload(l.v, q8), w.config.head_dim},
          up.upload(l.output, stays_q8(l.output)), up.upload(l.sinks), up.upload(l.mlp_norm), up.upload(l.router, false), {}, {},
          w.config.windowed(static_cast<int>(n))};
      layer.experts_in_host_memory = static_cast<int>(n) >= placement.expert_layers_on_device;
      up.keep_in_host_memory(layer.experts_in_host_memory);
      layer.gate_up = up.upload(l.gate_up);
      layer.down = up.upload(l.down);
      layers.push_back(layer);
    }
    up.keep_in_host_memory(false);
    norm = up.upload(w.norm);
    unembedding = up.upload(w.unembedding, stays_q8(w.unembedding));
    up.finish();
    if (placement.staging) {
      for (int i = 0; i < 2; ++i) {
        const model::ExpertLinear& one = i == 0 ? w.layers[0].gate_up : w.layers[0].down;
        blocks_[i] = Array<std::byte>(expert_blocks(one).bytes);
        scales_[i] = Array<std::byte>(expert_scales(one).bytes);
      }
    }
  }
  std::size_t device_bytes() const { return uploader_->total(); }
  std::size_t host_bytes() const { return uploader_->host_total(); }
  // Of matrices that are no bf16 numbers in the checkpoint but are here.
  float rounding() const { return rounding_.worst(); }

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
  RoundingError rounding_;
  std::optional<Uploader> uploader_;  // owns the memory
  Array<std::byte> blocks_[2], scales_[2];
};

}  // namespace toccata::engine::device_side
