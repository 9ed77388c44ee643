#include "core/engine/model.h"

#include <utility>

#include "core/engine/batcher.h"
#include "core/engine/cuda_device.h"
#include "core/engine/repack.h"

namespace toccata::engine {
namespace {

// Below this a matrix is done before a second thread has woken up. Measured on a 2-core EPYC with nano (1.8 MB).
constexpr std::size_t kSmallModelBytes = std::size_t{64} << 20;

std::size_t weight_bytes(const model::Weights& weights) {
  std::size_t n = weights.unembedding.weight.size_bytes() + weights.unembedding.packed.size();
  for (const model::LayerWeights& layer : weights.layers) {
    n += layer.gate_up.blocks.size() + layer.gate_up.rows.size() + layer.gate_up.odd_rows.size() +
         layer.down.blocks.size() + layer.down.rows.size();
  }
  return n;
}

}  // namespace

std::shared_ptr<const Model> Model::load(
    std::shared_ptr<model::CheckpointFiles> files, const Options& options
) {
  struct Made : Model {  // make_shared needs a public constructor
    Made(std::shared_ptr<const model::Weights> weights, const Options& o) : Model(std::move(weights), o) {}
  };
  return std::make_shared<const Made>(model::load_weights(std::move(files)), options);
}

Model::Model(std::shared_ptr<const model::Weights> weights, const Options& options)
    : weights_(std::move(weights)), options_(options), rope_(ops::RopeTable::make(config())) {
  if (options_.n_context <= 0 || options_.n_context > config().max_context) {
    options_.n_context = config().max_context;
  }
  int n_threads = options.n_threads;
  if (n_threads == 0 && weight_bytes(*weights_) < kSmallModelBytes) n_threads = 1;
  threads_ = std::make_unique<ThreadPool>(n_threads);
  const bool on_gpu = options_.device == ops::Device::kCuda;
  if (!on_gpu && !options_.exact) {
    Repacked fast = repack_q8(*weights_, *threads_);
    weights_ = std::move(fast.weights);
    repacked_ = std::move(fast.storage);
  }
  if (options_.chunk_tokens == 0) options_.chunk_tokens = on_gpu ? default_chunk_tokens(options_.exact) : 256;
  if (on_gpu) {
    cuda_ = open_cuda_device(weights_, options_);
  } else {
    batcher_ = std::make_unique<Batcher>(*this);
  }
}

Model::~Model() = default;

}  // namespace toccata::engine
