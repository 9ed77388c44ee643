#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/model/weights.h"
#include "core/ops/device.h"
#include "core/ops/kv_format.h"
#include "core/ops/rope.h"

namespace toccata::engine {

struct Options {
  ops::Device device = ops::Device::kCpu;
  int n_threads = 0;           // 0: one for small models, else as many as the machine has processors
  int chunk_tokens = 0;        // most tokens of one prefill pass; 0: 256 on the CPU; on a GPU 512 or 1024, 8 when exact
  // f32 arithmetic. Else, on the CPU, 8-bit weights and activations (ops/int8.h); on a GPU, bits that may depend on chunks
  // and batches, which on the CPU they never do.
  bool exact = true;
  // On the CPU, how keys and values are kept; none: f32 when exact, else f16.
  std::optional<ops::KvType> kv = std::nullopt;
  // While one session decodes: reads guessed tokens ahead (drafter.h). Never changes what is sampled.
  bool speculate = true;
  // Keys and values kept for sessions that begin alike (prefix_cache.h): bytes in memory, 0: none; and a folder, empty: none.
  std::size_t prefix_bytes = 0;
  std::filesystem::path prefix_folder = {};
  int n_sequences = 0;         // on a GPU: whole contexts that the KV cache has room for; 0: what fits, at most 64
  std::int64_t n_context = 0;  // most tokens of a session; 0: what the model was made for
  bool graphs = true;          // on a GPU: decoding replays captured graphs with overlapping launches; else one by one
  std::size_t device_bytes = 0;  // on a GPU: most memory for weights, keys and values; 0: what is free
  // On a GPU, of host memory for pages that it has no room for; none: a quarter of the machine's, at most 16 GiB.
  std::optional<std::size_t> kv_host_bytes = std::nullopt;
};

// A loaded model: weights, threads and tables, shared by any number of sessions. Immutable; sessions may run on different
// threads: what they ask for at the same time is computed together.
class Model {
 public:
  // Throws Exception as model::load_weights does; kUnavailable for a device this build or machine does not have.
  static std::shared_ptr<const Model> load(
      std::shared_ptr<model::CheckpointFiles> files, const Options& options = {}
  );

  const model::Config& config() const { return weights_->config; }
  const model::Weights& weights() const { return *weights_; }  // on a GPU the config alone
  const ops::RopeTable& rope() const { return rope_; }
  const Options& options() const { return options_; }
  std::int64_t n_context() const { return options_.n_context; }
  ThreadPool& threads() const { return *threads_; }
  // What makes the passes on the CPU; null on a GPU.
  class Batcher* batcher() const { return batcher_.get(); }
  // What its sessions have read first; null when nothing is kept.
  class PrefixCache* prefixes() const { return prefixes_.get(); }
  // The weights' copy on the GPU; null on the CPU.
  const class CudaDevice* cuda() const { return cuda_.get(); }

  ~Model();

 private:
  Model(std::shared_ptr<const model::Weights> weights, const Options& options);
  std::shared_ptr<const model::Weights> weights_;
  std::vector<std::byte> repacked_;  // what weights_ points into in the fast mode
  Options options_;
  ops::RopeTable rope_;
  std::unique_ptr<ThreadPool> threads_;
  std::unique_ptr<class Batcher> batcher_;
  std::shared_ptr<const class CudaDevice> cuda_;
  std::unique_ptr<class PrefixCache> prefixes_;  // before the device goes
};

}  // namespace toccata::engine
