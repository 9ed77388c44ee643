// The forward pass on a GPU; the same order of operations as forward.cpp, fused where that saves a launch.
// Compiled by nvcc, and as C++ against the emulated device in the tests. Its parts stand in cuda/.
#include "core/engine/cuda_transformer.h"

#include <algorithm>
#include <cstdio>

#include "core/cuda/bandwidth.cuh"
#include "core/engine/cuda/batch_way.cuh"
#include "core/engine/cuda/decode_way.cuh"
#include "core/engine/cuda/graphs.cuh"
#include "core/engine/cuda/sampler.cuh"

namespace toccata::engine {

using namespace device_side;  // NOLINT

namespace {

constexpr int kGraphTokensMax = 256;                          // of passes of the many-token way that are captured
constexpr std::size_t kBlasWorkspace = std::size_t{32} << 20;  // what cuBLAS asks for on Hopper

}  // namespace

class CudaTransformer::Impl {
 public:
  Impl(std::shared_ptr<const model::Weights> weights, const CudaOptions& options)
      : c_(weights->config),
        o_(checked(c_, options)),
        scratch_(c_, o_, stream_),
        kv_(c_, o_),
        sampler_(c_.n_vocab, stream_, ops_),
        host_sampler_(c_.n_vocab) {
    needs_ = needs(*weights);
    placement_ = plan_placement(needs_).value_or_throw();
    weights_.load(*weights, placement_);
    kv_.make(c_, placement_.kv_bytes, o_.n_sequences, o_.chunk_tokens, stream_);
    blas_.prepare(stream_.handle(), blas_workspace_.data(), blas_workspace_.bytes());
    const Parts parts{c_, o_, stream_, weights_, kv_, scratch_, ops_, blas_};
    decode_.emplace(parts);
    batch_.emplace(parts);
    stream_.wait();
  }

  const model::Config& config() const { return c_; }
  const CudaOptions& options() const { return o_; }
  DeviceKv& kv() { return kv_; }
  const DeviceKv& kv() const { return kv_; }
  Memory memory() const {
    return {
        weights_.device_bytes(), kv_.bytes(), kv_.used_bytes(), scratch_.bytes + blas_workspace_.bytes() + sampler_.bytes(), weights_.host_bytes(),
        kv_.host_bytes()};
  }
  Counts counts() const {
    Counts all = counts_;
    all.graphs = graphs_.captured();
    all.graph_launches = graphs_.launched();
    all.page_spills = kv_.spills();
    all.page_returns = kv_.returns();
    return all;
  }
  std::string describe() const {
    const Memory m = memory();
    std::string text = placement_.describe(needs_) + "; of keys and values " + megabytes(m.kv_used) + " of " + megabytes(m.kv) +
                       " MB in use, " + megabytes(m.kv_host) + " MB in host memory; " + megabytes(m.scratch) + " MB scratch; ";
    text += graphs_.describe();
    if (weights_.rounding() > 0) {
      char error[32];
      std::snprintf(error, sizeof error, "%.1g", static_cast<double>(weights_.rounding()));
      text += "; matrices of the checkpoint were rounded to bf16, by at most " + std::string(error) + " of a value";
    }
    return text;
  }
  OpTimer& ops() { return ops_; }
  const Stream& stream() const { return stream_; }

  // Every page that will be written becomes the sequence's own. Pages that were taken stay when another is missing: they
  // are part of their sequence, which has not grown.
  void make_room(std::span<const Item> items) {
    kv_.begin_pass();
    for (const Item& item : items) {
      kv_.hold(item.sequence->full_pages_);
      kv_.hold(item.sequence->ring_pages_);
    }
    for (const Item& item : items) {
      CudaSequence& s = *item.sequence;
      kv_.bring_back(s.full_pages_, stream_);
      kv_.bring_back(s.ring_pages_, stream_);
      const std::int64_t end = s.size_ + static_cast<std::int64_t>(item.tokens.size());
      for (std::int64_t position = s.size_; position < end; position = (position / kPagePositions + 1) * kPagePositions) {
        kv_.own(false, s.full_pages_, size(position / kPagePositions), stream_);
        kv_.own(true, s.ring_pages_, size(position % kv_.ring_slots() / kPagePositions), stream_);
      }
    }
  }

  // Stages what the kernels need to know of the tokens, and runs them.
  void run(std::span<const Item> items) {
    int n = 0;
    int n_logits = 0;
    int highest = 0;
    int* const ints = scratch_.host_ints.data();
    for (std::size_t row = 0; row < items.size(); ++row) {
      const CudaSequence& s = *items[row].sequence;
      for (std::size_t t = 0; t < items[row].tokens.size(); ++t, ++n) {
        ints[n] = items[row].tokens[t];
        ints[o_.chunk_tokens + n] = static_cast<int>(row);
        ints[2 * o_.chunk_tokens + n] = static_cast<int>(s.size_ + static_cast<std::int64_t>(t));
        highest = std::max(highest, ints[2 * o_.chunk_tokens + n]);
      }
      n_logits += items[row].n_logits;
      kv_.stage(row, s.full_pages_, s.ring_pages_, stream_);
      counts_.uploaded += static_cast<std::int64_t>((s.full_pages_.size() + s.ring_pages_.size()) * sizeof(int));
    }
    copy_bytes(scratch_.ints.data(), ints, scratch_.ints.bytes(), stream_);
    counts_.uploaded += static_cast<std::int64_t>(scratch_.ints.bytes());
    ++counts_.passes;

    if (n <= o_.decode_tokens_max) {
      decode(n, highest, n_logits > 0);
      std::vector<const float*> rows;
      int row = 0;
      for (const Item& item : items) {
        row += static_cast<int>(item.tokens.size());
        rows.push_back(scratch_.logits.data() + size(row - item.n_logits) * size(c_.n_vocab));
      }
      take_logits(items, rows);
    } else {
      batch(n, highest, items, n_logits);
    }
  }

  // Row i of `requests` drawn from row i of `logits`.
  std::vector<Result<ops::Draw>> draw(const std::vector<DeviceSampler::Row>& rows) {
    std::vector<Result<ops::Draw>> draws(rows.size(), ops::Draw{});
    std::vector<std::size_t> on_host, on_device;
    for (std::size_t i = 0; i < rows.size(); ++i) (sampler_.can(*rows[i].request) ? on_device : on_host).push_back(i);
    for (std::size_t begin = 0; begin < on_device.size(); begin += DeviceSampler::kRowsMax) {
      const std::size_t n = std::min<std::size_t>(DeviceSampler::kRowsMax, on_device.size() - begin);
      std::vector<DeviceSampler::Row> some;
      for (std::size_t i = begin; i < begin + n; ++i) some.push_back(rows[on_device[i]]);
      sampler_.start(some);
      const auto results = sampler_.results();
      counts_.uploaded += static_cast<std::int64_t>(sampler_.uploaded());
      counts_.downloaded += static_cast<std::int64_t>(sampler_.downloaded());
      for (std::size_t i = 0; i < n; ++i) {
        if (results[i]) {
          draws[on_device[begin + i]] = *results[i];
        } else {
          on_host.push_back(on_device[begin + i]);
        }
      }
    }
    for (const std::size_t i : on_host) {
      ++counts_.host_draws;
      std::vector<float> logits(size(c_.n_vocab));
      download(rows[i].logits, logits.data());
      if (rows[i].keep != nullptr && rows[i].keep != rows[i].logits) {
        copy_bytes(rows[i].keep, rows[i].logits, logits.size() * sizeof(float), stream_);
      }
      const DrawRequest& r = *rows[i].request;
      try {
        draws[i] = host_sampler_.draw(logits, *r.params, r.mask, r.n_legal, r.counter);
      } catch (const Exception& e) {  // no logit is a number
        draws[i] = e.error();
      }
    }
    stream_.wait();
    return draws;
  }
  void download(const float* row, float* to) {
    const std::size_t bytes = size(c_.n_vocab) * sizeof(float);
    copy_bytes(scratch_.host_logits.data(), row, bytes, stream_);
    stream_.wait();
    std::memcpy(to, scratch_.host_logits.data(), bytes);
    counts_.downloaded += static_cast<std::int64_t>(bytes);
  }

 private:
  static CudaOptions checked(const model::Config& c, CudaOptions o) {
    check_shape(c);
    if (o.n_context <= 0 || o.n_context > c.max_context) o.n_context = c.max_context;
    o.decode_tokens_max = std::clamp(o.decode_tokens_max, 1, kDecodeMax);
    while (o.decode_tokens_max > 1 && decode_shared_bytes(c, o.decode_tokens_max) > shared_bytes_max()) {
      o.decode_tokens_max /= 2;
    }
    o.chunk_tokens = std::max(o.chunk_tokens, kDecodeMax);
    if (o.n_sequences <= 0) o.n_sequences = 64;
    return o;
  }
  static std::string megabytes(std::size_t bytes) { return std::to_string((bytes + 500000) / 1000000); }
  PlacementNeeds needs(const model::Weights& source) const {
    PlacementNeeds n;
    const std::size_t free = free_device_bytes();
    const std::size_t kept = std::min<std::size_t>(free / 32, std::size_t{512} << 20);  // for cuBLAS and the graphs
    n.free = o_.device_bytes != 0 ? std::min(o_.device_bytes, free) : free - kept;
    const model::Linear table = embedding_of(source);
    n.embedding = matrix_bytes(table, stays_q8(table));
    n.dense = dense_bytes(source);
    n.n_layers = c_.n_layers;
    n.layer_experts = expert_bytes(source.layers[0].gate_up) + expert_bytes(source.layers[0].down);
    n.kv_wanted = o_.kv_bytes != 0 ? std::min(o_.kv_bytes, kv_.wanted_bytes()) : kv_.wanted_bytes();
    n.kv_least = std::min(kv_.least_bytes(), n.kv_wanted);
    return n;
  }

  void decode(int n, int highest, bool with_logits) {
    const int reach = Graphs::reach_of(highest, o_.n_context);
    graphs_.run(with_logits ? Graphs::Kind::kDecodeWithLogits : Graphs::Kind::kDecode, n, reach, [this, n, reach, with_logits] {
      decode_->run(n, reach, with_logits);
    });
  }

  void batch(int n, int highest, std::span<const Item> items, int n_logits) {
    // Sessions that all decode come again as they are; prompts do not.
    const bool decoding = static_cast<int>(items.size()) == n && n <= kGraphTokensMax;
    if (decoding) {
      const int reach = Graphs::reach_of(highest, o_.n_context);
      graphs_.run(Graphs::Kind::kBatch, n, reach, [this, n, reach] { batch_->run(n, reach); });
    } else {
      batch_->run(n, highest);
    }
    const std::size_t hidden = size(c_.hidden);
    const std::size_t width = size(c_.n_vocab);
    int row = 0;
    int kept = 0;
    for (std::size_t i = 0; i < items.size();) {  // neighbours go together
      int count = 0;
      const int first = row + static_cast<int>(items[i].tokens.size()) - items[i].n_logits;
      do {
        row += static_cast<int>(items[i].tokens.size());
        count += items[i].n_logits;
        ++i;
      } while (i < items.size() && items[i].n_logits == static_cast<int>(items[i].tokens.size()));
      copy_bytes(scratch_.last.data() + size(kept) * hidden, scratch_.x.data() + size(first) * hidden, size(count) * hidden * sizeof(float), stream_);
      kept += count;
    }
    TOCCATA_CHECK(kept == n_logits);
    // Room for so many rows of logits at once: whole items, or parts of one that wants many.
    for (std::size_t i = 0, first = 0; i < items.size();) {
      std::vector<Item> some;
      std::vector<const float*> rows;
      int m = 0;
      while (i < items.size() && m + items[i].n_logits <= Scratch::n_logits_max) {
        rows.push_back(scratch_.logits.data() + size(m) * width);
        m += items[i].n_logits;
        some.push_back(items[i++]);
      }
      if (some.empty()) {
        int done = 0;
        for (const int all = items[i].n_logits; done < all;) {
          const int part = std::min(all - done, Scratch::n_logits_max);
          last_layer(first + size(done), part);
          for (int r = 0; r < part; ++r) download(scratch_.logits.data() + size(r) * width, items[i].logits + size(done + r) * width);
          done += part;
        }
        first += size(items[i++].n_logits);
        continue;
      }
      if (m > 0) last_layer(first, m);
      take_logits(some, rows);
      first += size(m);
    }
    stream_.wait();
  }
  void last_layer(std::size_t first, int m) {
    const float* rows = scratch_.last.data() + first * size(c_.hidden);
    m <= o_.decode_tokens_max ? decode_->last_layer(rows, m) : batch_->last_layer(rows, m);
  }

  // What the items want of their logits, which stand at rows[i] on the device: on the host, kept, or a draw.
  void take_logits(std::span<const Item> items, const std::vector<const float*>& rows) {
    std::vector<DeviceSampler::Row> drawn;
    std::vector<std::size_t> who;
    const std::size_t width = size(c_.n_vocab);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Item& item = items[i];
      item.sequence->rows_.clear();
      if (item.n_logits == 0) continue;
      if (item.logits != nullptr) {
        for (int r = 0; r < item.n_logits; ++r) download(rows[i] + size(r) * width, item.logits + size(r) * width);
        continue;
      }
      for (int r = 0; r < item.n_logits; ++r) {
        const float* from = rows[i] + size(r) * width;
        float* const to = item.sequence->rows_.emplace_back(row_to_keep()).get();
        if (r == 0 && item.request != nullptr) {
          drawn.push_back({from, to, item.request});
          who.push_back(i);
        } else {
          copy_bytes(to, from, width * sizeof(float), stream_);
        }
      }
    }
    if (!drawn.empty()) {
      std::vector<Result<ops::Draw>> draws = draw(drawn);
      for (std::size_t i = 0; i < draws.size(); ++i) items[who[i]].draw->emplace(std::move(draws[i]));
    }
    stream_.wait();
  }
  std::shared_ptr<float> row_to_keep() {
    if (spare_rows_.empty()) {
      kept_rows_.emplace_back(size(c_.n_vocab));
      spare_rows_.push_back(kept_rows_.back().data());
    }
    float* const row = spare_rows_.back();
    spare_rows_.pop_back();
    return {row, [this](float* back) { spare_rows_.push_back(back); }};
  }

  const model::Config c_;
  CudaOptions o_;
  Stream stream_;
  OpTimer ops_;
  Blas blas_;
  Array<std::byte> blas_workspace_{blas_.available() ? kBlasWorkspace : 0};
  Scratch scratch_;
  DeviceKv kv_;
  DeviceWeights weights_;
  DeviceSampler sampler_;
  ops::Sampler host_sampler_;
  PlacementNeeds needs_;
  Placement placement_;
  std::optional<DecodeWay> decode_;
  std::optional<BatchWay> batch_;
  Graphs graphs_{stream_, o_, ops_};
  std::vector<Array<float>> kept_rows_;
  std::vector<float*> spare_rows_;
  Counts counts_;
};

CudaSequence::~CudaSequence() = default;

CudaTransformer::CudaTransformer(std::shared_ptr<const model::Weights> weights, const CudaOptions& options)
    : impl_(std::make_unique<Impl>(std::move(weights), options)) {}
CudaTransformer::~CudaTransformer() = default;

std::unique_ptr<CudaSequence> CudaTransformer::new_sequence() {
  auto sequence = std::unique_ptr<CudaSequence>(new CudaSequence());
  sequence->ring_pages_.resize(size(impl_->kv().ring_width()));
  return sequence;
}

std::unique_ptr<CudaSequence> CudaTransformer::fork(const CudaSequence& from) {
  return std::unique_ptr<CudaSequence>(new CudaSequence(from));
}

bool CudaTransformer::can_roll_back(const CudaSequence& s, std::int64_t to) const {
  // A position is still in a ring when fewer than ring_slots positions were written after it.
  const std::int64_t oldest_needed = std::max<std::int64_t>(0, to - impl_->kv().window() + 1);
  return to >= 0 && to <= s.size_ && s.highest_ - oldest_needed <= impl_->kv().ring_slots();
}

bool CudaTransformer::rollback(CudaSequence& s, std::int64_t to) {
  if (!can_roll_back(s, to)) return false;
  s.rows_.resize(size(std::max<std::int64_t>(0, static_cast<std::int64_t>(s.rows_.size()) - (s.size_ - to))));
  s.size_ = to;
  s.full_pages_.resize(std::min(s.full_pages_.size(), size(pages_for(to))));
  return true;
}

void CudaTransformer::forward(std::span<const Item> items) {
  std::size_t n = 0;
  for (const Item& item : items) {
    TOCCATA_CHECK(item.sequence != nullptr && !item.tokens.empty());
    TOCCATA_CHECK(item.n_logits >= 0 && size(item.n_logits) <= item.tokens.size());
    TOCCATA_CHECK(item.logits != nullptr || item.n_logits <= kDecodeMax);
    TOCCATA_CHECK(item.request == nullptr || (item.logits == nullptr && item.n_logits >= 1 && item.draw != nullptr));
    TOCCATA_CHECK(item.sequence->size_ + static_cast<std::int64_t>(item.tokens.size()) <= impl_->options().n_context);
    n += item.tokens.size();
  }
  TOCCATA_CHECK(n >= 1 && n <= size(impl_->options().chunk_tokens));
  impl_->make_room(items);
  impl_->run(items);
  for (const Item& item : items) {
    item.sequence->size_ += static_cast<std::int64_t>(item.tokens.size());
    item.sequence->highest_ = std::max(item.sequence->highest_, item.sequence->size_);
  }
}

Result<ops::Draw> CudaTransformer::draw(const CudaSequence& s, std::int64_t at, const DrawRequest& request) {
  TOCCATA_CHECK(s.has_logits(at));
  return impl_->draw({{s.rows_[s.rows_.size() - 1 - size(s.size_ - at)].get(), nullptr, &request}}).front();
}

void CudaTransformer::copy_logits(const CudaSequence& s, std::int64_t at, float* logits) {
  TOCCATA_CHECK(s.has_logits(at));
  impl_->download(s.rows_[s.rows_.size() - 1 - size(s.size_ - at)].get(), logits);
}

int CudaTransformer::decode_tokens_max() const { return impl_->options().decode_tokens_max; }

std::size_t CudaTransformer::kv_bytes(const CudaSequence& s) const {
  const auto n_ring = std::count_if(s.ring_pages_.begin(), s.ring_pages_.end(), [](const auto& page) { return page != nullptr; });
  return impl_->kv().bytes_of(static_cast<std::int64_t>(s.full_pages_.size()), n_ring);
}

std::size_t CudaTransformer::add_pages(const CudaSequence& s, std::set<const void*>& seen) const {
  std::size_t n = 0;
  for (const auto* pages : {&s.full_pages_, &s.ring_pages_}) {
    const std::size_t bytes = impl_->kv().page_bytes(pages == &s.ring_pages_);
    for (const auto& page : *pages) n += page != nullptr && seen.insert(page.get()).second ? bytes : 0;
  }
  return n;
}

// The size, the highest position, the full pages, then for each place of the ring whether it is there, and what.
void CudaTransformer::save(const CudaSequence& s, const PutBytes& put) {
  const auto put_number = [&](const auto& number) { put(std::as_bytes(std::span(&number, 1))); };
  put_number(s.size_);
  put_number(s.highest_);
  std::vector<std::byte> bytes(impl_->kv().page_bytes(false));
  for (std::int64_t i = 0; i < pages_for(s.size_); ++i) {
    impl_->kv().read(*s.full_pages_[size(i)], bytes.data(), impl_->stream());
    put(bytes);
  }
  bytes.resize(impl_->kv().page_bytes(true));
  for (const auto& page : s.ring_pages_) {
    put_number(static_cast<std::uint8_t>(page != nullptr ? 1 : 0));
    if (page == nullptr) continue;
    impl_->kv().read(*page, bytes.data(), impl_->stream());
    put(bytes);
  }
}

std::unique_ptr<CudaSequence> CudaTransformer::load(const GetBytes& get) {
  const auto take = [&](auto& number) { return get(std::as_writable_bytes(std::span(&number, 1))); };
  DeviceKv& kv = impl_->kv();
  auto sequence = new_sequence();
  CudaSequence& s = *sequence;
  if (!take(s.size_) || !take(s.highest_) || s.size_ < 0 || s.highest_ < s.size_ || s.highest_ > impl_->options().n_context) return nullptr;
  for (std::int64_t i = 0; i < pages_for(s.size_); ++i) {
    s.full_pages_.push_back(kv.page_in_host_memory(false));
    if (!get(DeviceKv::bytes_in_host_memory(*s.full_pages_.back()))) return nullptr;
  }
  for (auto& page : s.ring_pages_) {
    std::uint8_t is_there = 0;
    if (!take(is_there) || is_there > 1) return nullptr;
    if (is_there == 0) continue;
    page = kv.page_in_host_memory(true);
    if (!get(DeviceKv::bytes_in_host_memory(*page))) return nullptr;
  }
  if (!can_roll_back(s, s.size_)) return nullptr;
  for (std::int64_t position = std::max<std::int64_t>(0, s.size_ - kv.window() + 1); position < s.size_; ++position) {
    if (s.ring_pages_[size(position % kv.ring_slots() / kPagePositions)] == nullptr) return nullptr;
  }
  return sequence;
}

CudaTransformer::Memory CudaTransformer::memory() const { return impl_->memory(); }
CudaTransformer::Counts CudaTransformer::counts() const { return impl_->counts(); }
std::string CudaTransformer::describe() const { return impl_->describe(); }
CudaTransformer::Limits CudaTransformer::measure_limits() {
  const std::size_t n = std::clamp(free_device_bytes() / 8, std::size_t{1} << 20, std::size_t{1} << 29);
  return {copy_bandwidth(n), tensor_flops()};
}
void CudaTransformer::start_profile() { impl_->ops().start(); }
std::vector<OpTime> CudaTransformer::stop_profile() { return impl_->ops().stop(impl_->stream()); }

}  // namespace toccata::engine
