// The forward pass on a GPU; the same order of operations as forward.cpp, fused where that saves a launch.
// Compiled by nvcc, and as C++ against the emulated device in the tests.
#include "core/engine/cuda_transformer.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/cuda/blas.h"
#include "core/cuda/device/attention.cuh"
#include "core/cuda/device/batch.cuh"
#include "core/cuda/device/experts_batch.cuh"
#include "core/cuda/device/experts_decode.cuh"
#include "core/cuda/device/router.cuh"
#include "core/cuda/memory.cuh"
#include "core/cuda/page_pool.h"
#include "core/ops/rope.h"

namespace toccata::engine {
// Named, not anonymous: the tests include this file.
namespace device_side {

using namespace toccata::cuda;  // NOLINT: this file is the device's side of the engine

constexpr int kDecodeMax = 8;
constexpr int kPartsMax = 3;
constexpr std::size_t kStageBytes = std::size_t{32} << 20;

inline std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
inline std::int64_t pages_for(std::int64_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

struct LayerOnDevice {
  const std::uint16_t* attention_norm = nullptr;
  QkvWeights qkv;
  Dense output;
  const std::uint16_t* sinks = nullptr;
  const std::uint16_t* mlp_norm = nullptr;
  Dense router;
  Experts gate_up, down;
  bool windowed = false;
  std::byte* kv = nullptr;  // the layer's pool of pages
};

// Calls f with the smallest instantiated token count that holds n.
template <class F>
void with_token_count(int n, F f) {
  if (n <= 1) return f(std::integral_constant<int, 1>());
  if (n <= 2) return f(std::integral_constant<int, 2>());
  if (n <= 4) return f(std::integral_constant<int, 4>());
  return f(std::integral_constant<int, kDecodeMax>());
}
template <class F>
void with_head_dim(int head_dim, F f) {
  switch (head_dim) {
    case 16: return f(std::integral_constant<int, 16>());
    case 32: return f(std::integral_constant<int, 32>());
    case 64: return f(std::integral_constant<int, 64>());
    case 128: return f(std::integral_constant<int, 128>());
    default: TOCCATA_CHECK(false, "checked when the model was loaded");
  }
}

[[noreturn]] inline void unsupported(const std::string& what) {
  throw Exception(ErrorCode::kUnsupported, "the CUDA kernels do not have " + what + "; use --device cpu");
}

inline void check_shape(const model::Config& c) {
  const int d = c.head_dim;
  if (d != 16 && d != 32 && d != 64 && d != 128) unsupported("a head size of " + std::to_string(d));
  const int group = c.n_heads / c.n_kv_heads;
  if (group > kGroupMax) unsupported(std::to_string(group) + " query heads a key head");
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

// Host memory -> device memory through two pinned buffers, so that reading the file and crossing the bus overlap.
class Uploader {
 public:
  const void* upload(const void* from, std::size_t bytes) {
    storage_.emplace_back(std::max<std::size_t>(bytes, 16));
    auto* to = storage_.back().data();
    for (std::size_t at = 0; at < bytes; at += kStageBytes) {
      const std::size_t n = std::min(kStageBytes, bytes - at);
      Lane& lane = lanes_[next_ ^= 1];
      lane.stream.wait();
      if (lane.buffer.size() == 0) lane.buffer = Pinned<std::byte>(kStageBytes);
      std::memcpy(lane.buffer.data(), static_cast<const std::byte*>(from) + at, n);
      copy_bytes(to + at, lane.buffer.data(), n, lane.stream);
    }
    total_ += storage_.back().bytes();
    return to;
  }
  const std::uint16_t* upload(std::span<const Bf16> values) {
    return values.empty() ? nullptr : static_cast<const std::uint16_t*>(upload(values.data(), values.size_bytes()));
  }
  Dense upload(const model::Linear& w) {
    return Dense{upload(w.weight), upload(w.bias), w.n_out, w.n_in};
  }
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
  }
  std::size_t total() const { return total_; }

 private:
  struct Lane {
    Stream stream;
    Pinned<std::byte> buffer;
  };
  Lane lanes_[2];
  int next_ = 0;
  std::size_t total_ = 0;
  std::vector<Array<std::byte>> storage_;
};

inline std::size_t free_device_bytes() {
#if defined(__CUDACC__)
  std::size_t free = 0;
  std::size_t total = 0;
  TOCCATA_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
#else
  return std::size_t{64} << 20;
#endif
}

}  // namespace device_side

using namespace device_side;  // NOLINT

class CudaTransformer::Impl {
 public:
  Impl(std::shared_ptr<const model::Weights> weights, const CudaOptions& options)
      : source_(std::move(weights)), c_(source_->config), o_(options) {
    check_shape(c_);
    check_types(*source_);
    if (o_.n_context <= 0 || o_.n_context > c_.max_context) o_.n_context = c_.max_context;
    o_.decode_tokens_max = std::clamp(o_.decode_tokens_max, 1, kDecodeMax);
    while (o_.decode_tokens_max > 1 && decode_shared_bytes(o_.decode_tokens_max) > shared_bytes_max()) {
      o_.decode_tokens_max /= 2;
    }
    o_.chunk_tokens = std::max(o_.chunk_tokens, kDecodeMax);
    if (o_.n_sequences <= 0) o_.n_sequences = 64;
    load_weights();
    make_tables();
    make_scratch();
    make_cache();
    allow_shared_memory();
  }

  const model::Config& config() const { return c_; }
  CudaOptions const& options() const { return o_; }
  PagePool& full() { return full_pool_; }
  PagePool& ring() { return ring_pool_; }
  int ring_slots() const { return ring_slots_; }
  int window() const { return c_.sliding_window; }
  void copy_page(bool ring, int from, int to) {
    for (const LayerOnDevice& layer : layers_) {
      if (layer.windowed == ring) {
        copy_bytes(layer.kv + size(to) * page_bytes_, layer.kv + size(from) * page_bytes_, page_bytes_, stream_);
      }
    }
  }
  // Of so many pages in every layer that sees everything, and in every windowed one.
  std::size_t bytes_of(int full, int ring) const {
    const int n_full_layers = c_.n_layers / 2;
    return (size(full) * size(n_full_layers) + size(ring) * size(c_.n_layers - n_full_layers)) * page_bytes_;
  }
  Memory memory() const {
    return {
        uploader_.total(), bytes_of(full_pool_.n_pages(), ring_pool_.n_pages()),
        bytes_of(full_pool_.n_pages() - full_pool_.n_free(), ring_pool_.n_pages() - ring_pool_.n_free()), scratch_bytes_};
  }

  // The tokens of a pass, staged: what the kernels need to know of them.
  void run(std::span<const Item> items) {
    int n = 0;
    int n_logits = 0;
    int highest = 0;
    int widest = 1;
    for (std::size_t row = 0; row < items.size(); ++row) {
      const CudaSequence& s = *items[row].sequence;
      for (std::size_t t = 0; t < items[row].tokens.size(); ++t, ++n) {
        host_ints_.data()[n] = items[row].tokens[t];
        host_ints_.data()[o_.chunk_tokens + n] = static_cast<int>(row);
        host_ints_.data()[2 * o_.chunk_tokens + n] = static_cast<int>(s.size_ + static_cast<std::int64_t>(t));
        highest = std::max(highest, host_ints_.data()[2 * o_.chunk_tokens + n]);
      }
      n_logits += items[row].n_logits;
      std::copy(s.full_pages_.begin(), s.full_pages_.end(), host_full_.data() + row * size(full_width_));
      std::copy(s.ring_pages_.begin(), s.ring_pages_.end(), host_ring_.data() + row * size(ring_width_));
      widest = std::max(widest, static_cast<int>(s.full_pages_.size()));
    }
    copy_bytes(ints_.data(), host_ints_.data(), ints_.bytes(), stream_);
    for (std::size_t row = 0; row < items.size(); ++row) {  // rows are far apart and mostly empty
      const std::size_t at = row * size(full_width_);
      copy_bytes(full_table_.data() + at, host_full_.data() + at, size(widest) * sizeof(int), stream_);
    }
    copy_bytes(ring_table_.data(), host_ring_.data(), items.size() * size(ring_width_) * sizeof(int), stream_);

    if (n <= o_.decode_tokens_max) {
      decode(n, highest, n_logits > 0);
      copy_logits(items, n);
    } else {
      batch(n, highest, items, n_logits);
    }
  }

 private:
  // --- Loading -----------------------------------------------------------------------------------------------------

  std::size_t decode_shared_bytes(int n_tokens) const {
    return dense_shared_bytes(n_tokens, std::max(c_.hidden, c_.q_size()));
  }

  void load_weights() {
    const model::Weights& w = *source_;
    embedding_ = uploader_.upload(w.embedding);
    for (std::size_t n = 0; n < w.layers.size(); ++n) {
      const model::LayerWeights& l = w.layers[n];
      layers_.push_back(
          {uploader_.upload(l.attention_norm),
           {uploader_.upload(l.q), uploader_.upload(l.k), uploader_.upload(l.v), c_.head_dim},
           uploader_.upload(l.output), uploader_.upload(l.sinks), uploader_.upload(l.mlp_norm),
           uploader_.upload(l.router), uploader_.upload(l.gate_up), uploader_.upload(l.down),
           c_.windowed(static_cast<int>(n))}
      );
    }
    norm_ = uploader_.upload(w.norm);
    unembedding_ = uploader_.upload(w.unembedding);
    uploader_.finish();
  }

  void make_tables() {
    const ops::RopeTable rope = ops::RopeTable::make(c_);
    std::vector<float> cos(size(o_.n_context) * rope.frequency.size());
    std::vector<float> sin(cos.size());
    rope.angles(0, static_cast<int>(o_.n_context), cos.data(), sin.data());
    cos_ = to_device<float>(cos, stream_);
    sin_ = to_device<float>(sin, stream_);
  }

  template <class T>
  Array<T> scratch(std::int64_t n) {
    Array<T> array(size(n));
    scratch_bytes_ += array.bytes();
    zero_bytes(array.data(), array.bytes(), stream_);
    return array;
  }

  void make_scratch() {
    const std::int64_t n = o_.chunk_tokens;
    const std::int64_t slots = n * c_.n_experts_per_token;
    const int wide = std::max(c_.hidden, c_.q_size());
    parts_ = o_.exact ? kPartsMax : 1;
    x_ = scratch<float>(n * c_.hidden);
    normed_ = scratch<float>(n * c_.hidden);
    q_ = scratch<float>(n * c_.q_size());
    k_ = scratch<float>(n * c_.kv_size());
    v_ = scratch<float>(n * c_.kv_size());
    attended_ = scratch<float>(n * c_.q_size());
    expert_ids_ = scratch<int>(slots);
    expert_weights_ = scratch<float>(slots);
    inner_ = scratch<float>(slots * c_.intermediate);
    expert_out_ = scratch<float>(slots * c_.hidden);
    dense_parts_ = scratch<std::uint16_t>(parts_ * n * wide);
    expert_parts_ = scratch<std::uint16_t>(parts_ * std::max(n * c_.hidden, slots * c_.intermediate));
    last_ = scratch<float>(n * c_.hidden);
    n_pieces_ = std::max(o_.decode_tokens_max * splits_max(static_cast<int>(o_.n_context) - 1), 2048);
    piece_max_ = scratch<float>(std::int64_t{n_pieces_} * c_.n_heads);
    piece_sum_ = scratch<float>(std::int64_t{n_pieces_} * c_.n_heads);
    piece_out_ = scratch<float>(std::int64_t{n_pieces_} * c_.q_size());
    const int n_tiles = tiles_max(static_cast<int>(slots), c_.n_experts);
    plan_ints_ = scratch<int>(slots + 3 * n_tiles + 1);
    plan_ = {
        plan_ints_.data(), plan_ints_.data() + slots, plan_ints_.data() + slots + n_tiles,
        plan_ints_.data() + slots + 2 * n_tiles, plan_ints_.data() + slots + 3 * n_tiles};
    ints_ = scratch<int>(3 * n);
    host_ints_ = Pinned<int>(size(3 * n));
    std::fill_n(host_ints_.data(), 3 * n, 0);
    full_width_ = static_cast<int>(pages_for(o_.n_context));
    ring_slots_ = static_cast<int>(pages_for(c_.sliding_window - 1 + n)) * kPagePositions;
    ring_width_ = ring_slots_ / kPagePositions;
    full_table_ = scratch<int>(n * full_width_);
    ring_table_ = scratch<int>(n * ring_width_);
    host_full_ = Pinned<int>(size(n * full_width_));
    host_ring_ = Pinned<int>(size(n * ring_width_));
    std::fill_n(host_full_.data(), host_full_.size(), 0);
    std::fill_n(host_ring_.data(), host_ring_.size(), 0);
    n_logits_max_ = std::max(kDecodeMax, 64);
    logits_ = scratch<float>(std::int64_t{n_logits_max_} * c_.n_vocab);
    host_logits_ = Pinned<float>(logits_.size());
    stream_.wait();
  }

  void make_cache() {
    const std::size_t element = o_.exact ? sizeof(float) : sizeof(std::uint16_t);
    page_bytes_ = size(2 * kPagePositions * c_.kv_size()) * element;
    const int n_full_layers = c_.n_layers / 2;
    const int n_ring_layers = c_.n_layers - n_full_layers;
    // Half as many rings again: forks and checkpoints hold old ones.
    const std::int64_t n_ring = std::int64_t{ring_width_} * std::max(2, o_.n_sequences + o_.n_sequences / 2);
    const std::size_t ring_bytes = size(n_ring) * page_bytes_ * size(n_ring_layers);
    const std::size_t free = free_device_bytes();
    std::int64_t n_full = full_width_ * std::int64_t{o_.n_sequences};
    const std::size_t budget = o_.kv_bytes != 0 ? o_.kv_bytes : free / 4 * 3;
    const std::size_t each = std::max<std::size_t>(1, page_bytes_ * size(n_full_layers));
    if (budget < ring_bytes + each) {
      throw Exception(
          ErrorCode::kResourceExhausted,
          "the KV cache of " + std::to_string(o_.n_sequences) + " sequences needs more than " +
              std::to_string((ring_bytes + each) >> 20) + " MiB, " + std::to_string(budget >> 20) +
              " MiB are there: ask for fewer sequences or a smaller chunk"
      );
    }
    n_full = std::min<std::int64_t>(n_full, static_cast<std::int64_t>((budget - ring_bytes) / each));
    full_pool_ = PagePool(static_cast<int>(n_full));
    ring_pool_ = PagePool(static_cast<int>(n_ring));
    for (LayerOnDevice& layer : layers_) {
      kv_.emplace_back(size(layer.windowed ? n_ring : n_full) * page_bytes_);
      zero_bytes(kv_.back().data(), kv_.back().bytes(), stream_);
      layer.kv = kv_.back().data();
    }
    stream_.wait();
  }

  void allow_shared_memory() {
    for (const int n : {1, 2, 4, 8}) {
      if (n > o_.decode_tokens_max) break;
      with_token_count(n, [&](auto count) {
        allow_shared(&linear_kernel<count.value, true>, decode_shared_bytes(n));
        allow_shared(&linear_kernel<count.value, false>, decode_shared_bytes(n));
        allow_shared(&qkv_kernel<count.value, float>, decode_shared_bytes(n));
        allow_shared(&qkv_kernel<count.value, std::uint16_t>, decode_shared_bytes(n));
      });
    }
    allow_shared(&down_kernel, size(c_.n_experts_per_token) * size(c_.intermediate) * sizeof(float));
    allow_shared(&plan_kernel, plan_shared_bytes());
    allow_shared(&dense_batch_kernel<kPartsMax>, tile_shared_bytes(kPartsMax));
    allow_shared(&experts_kernel<kPartsMax, true>, tile_shared_bytes(kPartsMax));
    allow_shared(&experts_kernel<kPartsMax, false>, tile_shared_bytes(kPartsMax));
  }

  // --- Parts of a layer --------------------------------------------------------------------------------------------

  int splits_max(int position) const { return split_count_max(position, 0); }

  BatchView view(int first, int n) const {
    return {ints_.data() + o_.chunk_tokens + first, ints_.data() + 2 * o_.chunk_tokens + first, n};
  }
  template <class Kv>
  KvLayer<Kv> kv_of(const LayerOnDevice& layer) const {
    return {
        reinterpret_cast<Kv*>(layer.kv), layer.windowed ? ring_table_.data() : full_table_.data(),
        layer.windowed ? ring_width_ : full_width_, c_.kv_size(), layer.windowed ? ring_slots_ : 0};
  }

  // Tokens first .. first + n - 1 of the pass, q -> attended.
  template <class Kv>
  void attention(const LayerOnDevice& layer, int first, int n, int position_max) {
    const int window = layer.windowed ? c_.sliding_window : 0;
    const int n_splits = split_count_max(position_max, window);
    const AttentionView a = {
        c_.n_heads, c_.n_kv_heads, window, n_splits, piece_max_.data(), piece_sum_.data(), piece_out_.data()};
    const KvLayer<Kv> kv = kv_of<Kv>(layer);
    // As many tokens at once as there is room for pieces.
    for (int done = 0; done < n;) {
      const int m = std::min(n - done, std::max(1, n_pieces_ / n_splits));
      const BatchView batch = view(first + done, m);
      const std::size_t at = size(first + done) * size(c_.q_size());
      const float* q = q_.data() + at;
      float* out = attended_.data() + at;
      with_head_dim(c_.head_dim, [&](auto d) {
        auto* piece = &attention_piece_kernel<d.value, Kv>;
        TOCCATA_LAUNCH(
            piece, grid(m, c_.n_kv_heads, n_splits), grid(kAttentionThreads), attention_shared_bytes(d.value),
            stream_.get(), q, batch, kv, a
        );
      });
      auto* join = &attention_join_kernel;
      TOCCATA_LAUNCH(
          join, grid(m, c_.n_heads), grid(c_.head_dim), 0, stream_.get(), batch, a, layer.sinks, c_.head_dim, out
      );
      done += m;
    }
  }

  void route(const LayerOnDevice& layer, int n) {
    auto* kernel = &route_kernel;
    TOCCATA_LAUNCH(
        kernel, grid(n), grid(kDenseThreads), router_shared_bytes(c_.hidden, c_.n_experts), stream_.get(), x_.data(),
        layer.mlp_norm, c_.norm_eps, layer.router, c_.n_experts_per_token, normed_.data(), expert_ids_.data(),
        expert_weights_.data()
    );
  }

  // --- The decode way ----------------------------------------------------------------------------------------------

  // out (+)= W x + b for n <= kDecodeMax tokens; x normed first when `scale` is given.
  template <bool kAdd>
  void few(const Dense& w, const float* x, const std::uint16_t* scale, int n, float* out) {
    with_token_count(n, [&](auto count) {
      auto* kernel = &linear_kernel<count.value, kAdd>;
      TOCCATA_LAUNCH(
          kernel, grid(ceil_div(w.n_out, 2 * kDenseWarps)), grid(kDenseThreads), dense_shared_bytes(count.value, w.n_in),
          stream_.get(), x, scale, c_.norm_eps, w, n, out
      );
    });
  }

  template <class Kv>
  void decode_layer(const LayerOnDevice& layer, int n, int position_max) {
    const int pairs = (c_.q_size() + 2 * c_.kv_size()) / 2;
    const BatchView batch = view(0, n);
    const KvLayer<Kv> kv = kv_of<Kv>(layer);
    with_token_count(n, [&](auto count) {
      auto* kernel = &qkv_kernel<count.value, Kv>;
      TOCCATA_LAUNCH(
          kernel, grid(ceil_div(pairs, kDenseWarps)), grid(kDenseThreads), dense_shared_bytes(count.value, c_.hidden),
          stream_.get(), x_.data(), layer.attention_norm, c_.norm_eps, layer.qkv, cos_.data(), sin_.data(), batch, kv,
          q_.data()
      );
    });
    attention<Kv>(layer, 0, n, position_max);
    few<true>(layer.output, attended_.data(), nullptr, n, x_.data());
    route(layer, n);
    const int k = c_.n_experts_per_token;
    auto* gate_up = &gate_up_kernel;
    TOCCATA_LAUNCH(
        gate_up, grid(ceil_div(c_.intermediate, kExpertWarps), n * k), grid(kExpertThreads),
        size(c_.hidden) * sizeof(float), stream_.get(), normed_.data(), expert_ids_.data(), k, layer.gate_up,
        c_.swiglu_limit, inner_.data()
    );
    auto* down = &down_kernel;
    TOCCATA_LAUNCH(
        down, grid(ceil_div(c_.hidden, kExpertWarps), n), grid(kExpertThreads),
        size(k) * size(c_.intermediate) * sizeof(float), stream_.get(), inner_.data(), expert_ids_.data(),
        expert_weights_.data(), k, layer.down, x_.data()
    );
  }

  void embed(int n) {
    auto* kernel = &embed_kernel;
    TOCCATA_LAUNCH(
        kernel, grid(n), grid(kDenseThreads), 0, stream_.get(), embedding_, ints_.data(), c_.hidden, x_.data()
    );
  }

  void decode_launches(int n, int position_max, bool with_logits) {
    embed(n);
    for (const LayerOnDevice& layer : layers_) {
      if (o_.exact) {
        decode_layer<float>(layer, n, position_max);
      } else {
        decode_layer<std::uint16_t>(layer, n, position_max);
      }
    }
    if (with_logits) few<false>(unembedding_, x_.data(), norm_, n, logits_.data());
  }

  // One graph for each number of tokens and each doubling of the context: launch sizes are part of a graph.
  void decode(int n, int highest, bool with_logits) {
    std::int64_t reach = kSplit;
    while (reach <= highest) reach *= 2;
    const int position_max = static_cast<int>(std::min(reach, o_.n_context) - 1);
    const auto key = std::tuple(n, position_max, with_logits);
    auto found = graphs_.find(key);
    if (found == graphs_.end()) {
      const auto launches = [this, n, position_max, with_logits] { decode_launches(n, position_max, with_logits); };
      found = graphs_.emplace(key, Graph::capture(stream_, launches)).first;
    }
    found->second.launch(stream_);
  }

  void copy_logits(std::span<const Item> items, int n) {
    int row = 0;
    const std::size_t width = size(c_.n_vocab);
    for (const Item& item : items) {
      row += static_cast<int>(item.tokens.size());
      if (item.n_logits == 0) continue;
      const std::size_t at = size(row - item.n_logits) * width;
      copy_bytes(host_logits_.data() + at, logits_.data() + at, size(item.n_logits) * width * sizeof(float), stream_);
    }
    stream_.wait();
    TOCCATA_CHECK(row == n);
    row = 0;
    for (const Item& item : items) {
      row += static_cast<int>(item.tokens.size());
      const float* from = host_logits_.data() + size(row - item.n_logits) * width;
      std::copy_n(from, size(item.n_logits) * width, item.logits);
    }
  }

  // --- The many-token way ------------------------------------------------------------------------------------------

  void split(const float* x, std::size_t n_values, bool shuffled, std::uint16_t* parts) {
    const int blocks = static_cast<int>(std::min<std::size_t>(1024, (n_values + 255) / 256));
    auto* kernel = &split_kernel<1, false>;
    if (parts_ == 1 && shuffled) kernel = &split_kernel<1, true>;
    if (parts_ > 1) kernel = shuffled ? &split_kernel<kPartsMax, true> : &split_kernel<kPartsMax, false>;
    TOCCATA_LAUNCH(kernel, grid(blocks), grid(256), 0, stream_.get(), x, n_values, parts);
  }

  // The input of many().
  void split_for_dense(const float* x, int n, int width) {
    split(x, size(n) * size(width), !blas_.available(), dense_parts_.data());
  }

  // out (+)= W x + b; x stands in dense_parts_.
  void many(const Dense& w, int n, bool add, float* out) {
    if (!blas_.available()) {
      auto* kernel = parts_ == 1 ? &dense_batch_kernel<1> : &dense_batch_kernel<kPartsMax>;
      TOCCATA_LAUNCH(
          kernel, grid(ceil_div(w.n_out, kTileRows), ceil_div(n, kTileSlots)), grid(kBatchThreads),
          tile_shared_bytes(parts_), stream_.get(), dense_parts_.data(), n, w, add, out
      );
      return;
    }
    for (int part = 0; part < parts_; ++part) {
      const std::uint16_t* from = dense_parts_.data() + size(part) * size(n) * size(w.n_in);
      blas_.multiply(w.weight, from, n, w.n_out, w.n_in, part > 0 || add, out, stream_.handle());
    }
    if (w.bias == nullptr) return;
    auto* kernel = &bias_kernel;
    TOCCATA_LAUNCH(kernel, grid(n), grid(kDenseThreads), 0, stream_.get(), w.bias, w.n_out, out);
  }

  void norm(const float* x, const std::uint16_t* scale, int n, float* out) {
    auto* kernel = &norm_kernel;
    TOCCATA_LAUNCH(
        kernel, grid(n), grid(kDenseThreads), kDenseWarps * sizeof(float), stream_.get(), x, scale, c_.norm_eps,
        c_.hidden, out
    );
  }

  std::size_t plan_shared_bytes() const {
    return size(o_.chunk_tokens * c_.n_experts_per_token + c_.n_experts + 1) * sizeof(int);
  }

  template <int kParts>
  void expert_products(const LayerOnDevice& layer, int n) {
    const int k = c_.n_experts_per_token;
    const int n_slots = n * k;
    const int n_tiles = tiles_max(n_slots, c_.n_experts);
    const std::size_t shared = tile_shared_bytes(kParts);
    const std::size_t n_in = size(n) * size(c_.hidden);
    split(normed_.data(), n_in, true, expert_parts_.data());
    auto* first = &experts_kernel<kParts, true>;
    TOCCATA_LAUNCH(
        first, grid(ceil_div(layer.gate_up.n_out, kTileRows), n_tiles), grid(kBatchThreads), shared, stream_.get(),
        expert_parts_.data(), n_in, k, plan_, layer.gate_up, c_.swiglu_limit, inner_.data()
    );
    const std::size_t n_inner = size(n_slots) * size(c_.intermediate);
    split(inner_.data(), n_inner, true, expert_parts_.data());
    auto* second = &experts_kernel<kParts, false>;
    TOCCATA_LAUNCH(
        second, grid(ceil_div(layer.down.n_out, kTileRows), n_tiles), grid(kBatchThreads), shared, stream_.get(),
        expert_parts_.data(), n_inner, 1, plan_, layer.down, 0.0F, expert_out_.data()
    );
  }

  template <class Kv>
  void batch_layer(const LayerOnDevice& layer, int n, int position_max) {
    norm(x_.data(), layer.attention_norm, n, normed_.data());
    split_for_dense(normed_.data(), n, c_.hidden);
    many(layer.qkv.q, n, false, q_.data());
    many(layer.qkv.k, n, false, k_.data());
    many(layer.qkv.v, n, false, v_.data());
    const BatchView batch = view(0, n);
    const KvLayer<Kv> kv = kv_of<Kv>(layer);
    auto* rope = &rope_store_kernel<Kv>;
    TOCCATA_LAUNCH(
        rope, grid(n), grid(kDenseThreads), 0, stream_.get(), cos_.data(), sin_.data(), batch, c_.q_size(), c_.head_dim,
        k_.data(), v_.data(), kv, q_.data()
    );
    attention<Kv>(layer, 0, n, position_max);
    split_for_dense(attended_.data(), n, c_.q_size());
    many(layer.output, n, true, x_.data());
    route(layer, n);
    auto* plan = &plan_kernel;
    TOCCATA_LAUNCH(
        plan, grid(1), grid(ceil_div(c_.n_experts, kWarpSize) * kWarpSize), plan_shared_bytes(), stream_.get(),
        expert_ids_.data(), n * c_.n_experts_per_token, c_.n_experts, plan_
    );
    parts_ == 1 ? expert_products<1>(layer, n) : expert_products<kPartsMax>(layer, n);
    auto* combine = &combine_kernel;
    TOCCATA_LAUNCH(
        combine, grid(n), grid(kDenseThreads), 0, stream_.get(), expert_out_.data(), expert_weights_.data(),
        c_.n_experts_per_token, c_.hidden, x_.data()
    );
  }

  void batch(int n, int highest, std::span<const Item> items, int n_logits) {
    embed(n);
    for (const LayerOnDevice& layer : layers_) {
      o_.exact ? batch_layer<float>(layer, n, highest) : batch_layer<std::uint16_t>(layer, n, highest);
    }
    const std::size_t row_bytes = size(c_.hidden) * sizeof(float);
    int row = 0;
    int kept = 0;
    for (const Item& item : items) {
      row += static_cast<int>(item.tokens.size());
      const float* from = x_.data() + size(row - item.n_logits) * size(c_.hidden);
      copy_bytes(last_.data() + size(kept) * size(c_.hidden), from, size(item.n_logits) * row_bytes, stream_);
      kept += item.n_logits;
    }
    TOCCATA_CHECK(kept == n_logits);
    std::size_t item = 0;
    int in_item = 0;
    const std::size_t width = size(c_.n_vocab);
    for (int done = 0; done < n_logits;) {
      const int m = std::min(n_logits - done, n_logits_max_);
      const float* rows = last_.data() + size(done) * size(c_.hidden);
      if (m <= o_.decode_tokens_max) {
        few<false>(unembedding_, rows, norm_, m, logits_.data());
      } else {
        norm(rows, norm_, m, normed_.data());
        split_for_dense(normed_.data(), m, c_.hidden);
        many(unembedding_, m, false, logits_.data());
      }
      copy_bytes(host_logits_.data(), logits_.data(), size(m) * width * sizeof(float), stream_);
      stream_.wait();
      for (int i = 0; i < m; ++i, ++in_item) {
        while (in_item == items[item].n_logits) {
          ++item;
          in_item = 0;
        }
        std::copy_n(host_logits_.data() + size(i) * width, width, items[item].logits + size(in_item) * width);
      }
      done += m;
    }
    stream_.wait();
  }

  std::shared_ptr<const model::Weights> source_;
  const model::Config& c_;
  CudaOptions o_;
  Stream stream_;
  Blas blas_;
  Uploader uploader_;
  const std::uint16_t* embedding_ = nullptr;
  const std::uint16_t* norm_ = nullptr;
  Dense unembedding_;
  std::vector<LayerOnDevice> layers_;
  Array<float> cos_, sin_;  // [n_context, head_dim / 2]

  // Activations of a pass; shapes as in forward.h.
  Array<float> x_, normed_, q_, k_, v_, attended_, expert_weights_, inner_, expert_out_, last_, logits_;
  Array<int> expert_ids_, plan_ints_;
  Plan plan_;
  int parts_ = 1;
  Array<std::uint16_t> dense_parts_, expert_parts_;
  int n_pieces_ = 0;  // of attention, over all tokens
  Array<float> piece_max_, piece_sum_, piece_out_;
  std::size_t scratch_bytes_ = 0;
  int n_logits_max_ = 0;

  // Tokens, rows of the page tables, positions: [3, chunk_tokens]; and the tables.
  Array<int> ints_, full_table_, ring_table_;
  Pinned<int> host_ints_, host_full_, host_ring_;
  Pinned<float> host_logits_;
  int full_width_ = 0, ring_width_ = 0, ring_slots_ = 0;
  std::size_t page_bytes_ = 0;
  PagePool full_pool_, ring_pool_;
  std::vector<Array<std::byte>> kv_;
  std::map<std::tuple<int, int, bool>, Graph> graphs_;
};

CudaSequence::~CudaSequence() {
  for (const int page : full_pages_) owner_.impl_->full().give_back(page);
  for (const int page : ring_pages_) {
    if (page >= 0) owner_.impl_->ring().give_back(page);
  }
}

CudaTransformer::CudaTransformer(std::shared_ptr<const model::Weights> weights, const CudaOptions& options)
    : impl_(std::make_unique<Impl>(std::move(weights), options)) {}
CudaTransformer::~CudaTransformer() = default;

std::unique_ptr<CudaSequence> CudaTransformer::new_sequence() {
  auto sequence = std::unique_ptr<CudaSequence>(new CudaSequence(*this));
  sequence->ring_pages_.assign(size(impl_->ring_slots() / kPagePositions), -1);
  return sequence;
}

std::unique_ptr<CudaSequence> CudaTransformer::fork(const CudaSequence& from) {
  auto sequence = new_sequence();
  sequence->size_ = from.size_;
  sequence->highest_ = from.highest_;
  sequence->full_pages_ = from.full_pages_;
  sequence->ring_pages_ = from.ring_pages_;
  for (const int page : sequence->full_pages_) impl_->full().share(page);
  for (const int page : sequence->ring_pages_) {
    if (page >= 0) impl_->ring().share(page);
  }
  return sequence;
}

bool CudaTransformer::can_roll_back(const CudaSequence& s, std::int64_t to) const {
  // A position is still in a ring when fewer than ring_slots positions were written after it.
  const std::int64_t oldest_needed = std::max<std::int64_t>(0, to - impl_->window() + 1);
  return to >= 0 && to <= s.size_ && s.highest_ - oldest_needed <= impl_->ring_slots();
}

bool CudaTransformer::rollback(CudaSequence& s, std::int64_t to) {
  if (!can_roll_back(s, to)) return false;
  s.size_ = to;
  while (static_cast<std::int64_t>(s.full_pages_.size()) > pages_for(to)) {
    impl_->full().give_back(s.full_pages_.back());
    s.full_pages_.pop_back();
  }
  return true;
}

void CudaTransformer::forward(std::span<const Item> items) {
  std::size_t n = 0;
  for (const Item& item : items) {
    TOCCATA_CHECK(item.sequence != nullptr && !item.tokens.empty());
    TOCCATA_CHECK(item.n_logits >= 0 && size(item.n_logits) <= item.tokens.size());
    TOCCATA_CHECK(item.sequence->size_ + static_cast<std::int64_t>(item.tokens.size()) <= impl_->options().n_context);
    n += item.tokens.size();
  }
  TOCCATA_CHECK(n >= 1 && n <= size(impl_->options().chunk_tokens));

  // Every page that will be written becomes the sequence's own. Pages that were taken stay when another is missing:
  // they are part of their sequence, which has not grown.
  const auto own = [&](bool ring, std::vector<int>& pages, std::size_t index) {
    PagePool& pool = ring ? impl_->ring() : impl_->full();
    if (index < pages.size() && pages[index] >= 0 && !pool.shared(pages[index])) return;
    const int page = pool.take();
    if (page < 0) {
      throw Exception(
          ErrorCode::kResourceExhausted, "the KV cache on the GPU is full: " + std::to_string(pool.n_pages()) +
                                             " pages of 64 positions, all in use"
      );
    }
    if (index == pages.size()) {
      pages.push_back(page);
      return;
    }
    if (pages[index] >= 0) {
      impl_->copy_page(ring, pages[index], page);
      pool.give_back(pages[index]);
    }
    pages[index] = page;
  };
  for (const Item& item : items) {
    CudaSequence& s = *item.sequence;
    const std::int64_t end = s.size_ + static_cast<std::int64_t>(item.tokens.size());
    for (std::int64_t position = s.size_; position < end; position = (position / kPagePositions + 1) * kPagePositions) {
      own(false, s.full_pages_, size(position / kPagePositions));
      own(true, s.ring_pages_, size(position % impl_->ring_slots() / kPagePositions));
    }
  }
  impl_->run(items);
  for (const Item& item : items) {
    item.sequence->size_ += static_cast<std::int64_t>(item.tokens.size());
    item.sequence->highest_ = std::max(item.sequence->highest_, item.sequence->size_);
  }
}

std::size_t CudaTransformer::kv_bytes(const CudaSequence& s) const {
  const auto n_ring = std::count_if(s.ring_pages_.begin(), s.ring_pages_.end(), [](int page) { return page >= 0; });
  return impl_->bytes_of(static_cast<int>(s.full_pages_.size()), static_cast<int>(n_ring));
}

CudaTransformer::Memory CudaTransformer::memory() const { return impl_->memory(); }

}  // namespace toccata::engine
