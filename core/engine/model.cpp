#include "core/engine/model.h"

#include <utility>

#include "core/engine/batcher.h"
#include "core/engine/cuda_device.h"
#include "core/engine/kv_file.h"
#include "core/engine/prefix_cache.h"
#include "core/engine/repack.h"
#include "core/engine/timeline.h"

namespace toccata::engine {
namespace {

// Below this a matrix is done before a second thread has woken up. Measured on a 2-core EPYC with nano when it had 1.8 MB.
constexpr std::size_t kSmallModelBytes = std::size_t{64} << 20;

std::size_t weight_bytes(const model::Weights& weights) {
  std::size_t n = weights.unembedding.weight.size_bytes() + weights.unembedding.packed.size();
  for (const model::LayerWeights& layer : weights.layers) {
    n += layer.gate_up.blocks.size() + layer.gate_up.rows.size() + layer.gate_up.odd_rows.size() +
         layer.down.blocks.size() + layer.down.rows.size();
  }
  return n;
}

// Tells weights and ways to compute apart without reading all of them: the ends and the middle of each large tensor.
class Fingerprint {
 public:
  template <class Number>
  void add(const Number& number) {
    sum_ = checksum(std::as_bytes(std::span(&number, 1)), sum_);
  }
  template <class Value>
  void add_some(std::span<const Value> values) {
    constexpr std::size_t kPiece = 4096;
    const auto bytes = std::as_bytes(values);
    add(bytes.size());
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - std::min(bytes.size(), kPiece)}) {
      sum_ = checksum(bytes.subspan(at, std::min(kPiece, bytes.size() - at)), sum_);
    }
  }
  void add_matrix(const model::Linear& matrix) {
    add_some(matrix.weight);
    add_some(matrix.packed);
    add_some(matrix.bias);
  }
  void add_experts(const model::ExpertLinear& experts) {
    add_some(experts.blocks);
    add_some(experts.scales);
    add_some(experts.rows);
    add_some(experts.bias);
  }
  std::uint64_t sum() const { return sum_; }

 private:
  std::uint64_t sum_ = 0;
};

constexpr std::uint64_t kArithmeticVersion = 1;  // to be raised when keys or values of the same tokens change

std::uint64_t fingerprint_of(const model::Weights& weights, const Options& options) {
  const model::Config& c = weights.config;
  Fingerprint print;
  print.add(kArithmeticVersion);
  if (options.device != ops::Device::kCpu) print.add(static_cast<int>(options.device));
  for (const int n : {c.n_layers, c.n_experts, c.n_experts_per_token, c.hidden, c.intermediate, c.n_heads, c.n_kv_heads, c.head_dim, c.n_vocab,
                      c.sliding_window, c.initial_context, options.chunk_tokens, static_cast<int>(options.exact), static_cast<int>(*options.kv)}) {
    print.add(n);
  }
  for (const double x : {static_cast<double>(c.swiglu_limit), static_cast<double>(c.norm_eps), c.rope_theta, c.rope_factor, c.rope_alpha, c.rope_beta}) {
    print.add(x);
  }
  print.add_matrix(weights.embedding_rows);
  print.add_some(weights.embedding);
  for (const model::LayerWeights& layer : weights.layers) {
    print.add_some(layer.attention_norm);
    for (const model::Linear* matrix : {&layer.q, &layer.k, &layer.v, &layer.output, &layer.router}) print.add_matrix(*matrix);
    print.add_some(layer.sinks);
    print.add_some(layer.mlp_norm);
    print.add_experts(layer.gate_up);
    print.add_experts(layer.down);
  }
  return print.sum();
}

}  // namespace

std::shared_ptr<const Model> Model::load(
    std::shared_ptr<model::CheckpointFiles> files, const Options& options
) {
  struct Made : Model {  // make_shared needs a public constructor
    Made(std::shared_ptr<const model::Weights> weights, const Options& o) : Model(std::move(weights), o) {}
  };
  return std::make_shared<const Made>(model::load_weights(std::move(files), options.n_threads), options);
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
  if (options_.chunk_tokens == 0) options_.chunk_tokens = on_gpu ? default_chunk_tokens(options_.exact) : 256;
  if (!options_.kv) options_.kv = options_.exact ? ops::KvType::kF32 : ops::KvType::kF16;
  const std::uint64_t fingerprint = options_.prefix_folder.empty() ? 0 : fingerprint_of(*weights_, options_);
  if (!on_gpu && !options_.exact) {
    Repacked fast = repack_q8(*weights_, *threads_);
    weights_ = std::move(fast.weights);
    repacked_ = std::move(fast.storage);
  }
  if (!ops::fits(*options_.kv, config().head_dim)) {
    throw Exception(
        ErrorCode::kUnsupported, "keys and values of 8 bits need heads of a multiple of 32 values, this model's have " +
                                     std::to_string(config().head_dim) + "; keep them as f16 or f32"
    );
  }
  if (on_gpu) {
    cuda_ = open_cuda_device(weights_, options_);
    auto rest = std::make_shared<model::Weights>();  // the device has copies of the weights
    rest->config = config();
    weights_ = std::move(rest);
  } else {
    batcher_ = std::make_unique<Batcher>(*this);
  }
  if (options_.prefix_bytes > 0) {
    prefixes_ = std::make_unique<PrefixCache>(PrefixCache::Limits{options_.prefix_bytes, options_.prefix_folder}, fingerprint, kv_loader(*this));
  }
}

Model::~Model() = default;

}  // namespace toccata::engine
