#include "core/engine/cuda_device.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "core/cuda/device.h"
#include "core/engine/cuda_transformer.h"
#include "core/engine/guess_price.h"

namespace toccata::engine {
namespace {

using Item = CudaTransformer::Item;

// Tokens of prompts in a pass that also decodes. Such a pass reads the experts of all its tokens: a few milliseconds.
constexpr std::size_t kPrefillBesideDecode = 256;
// Of the machine's memory, for pages that the card has no room for.
constexpr std::size_t kHostShare = 4;
constexpr std::size_t kHostBytesMax = std::size_t{16} << 30;

std::size_t host_bytes() {
  const auto pages = static_cast<std::size_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES)));
  return std::min(kHostBytesMax, pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / kHostShare);
}

class CudaBatcher : public PassBatcher<Item> {
 public:
  using PassBatcher::PassBatcher;
  double price() const {
    const std::lock_guard lock(mutex_);
    return price_.price();
  }
  // The pass in hand did what later ones like it will not: a graph was captured.
  void forget_pass() { is_odd_ = true; }

 private:
  void learn(std::span<const Item> parts, std::chrono::steady_clock::duration took) override {
    if (!std::exchange(is_odd_, false)) price_.learn(parts, std::chrono::duration<double>(took).count());
  }
  GuessPrice price_;
  bool is_odd_ = false;
};

// The transformer, whose turn it is, and what makes one pass of what several sessions ask for. Sequences keep it alive.
struct Shared {
  Shared(std::shared_ptr<const model::Weights> weights, const CudaOptions& options)
      : transformer(std::move(weights), options),
        batcher({static_cast<std::size_t>(std::max(8, options.chunk_tokens)), kPrefillBesideDecode}, [this](auto items, auto failures) {
          pass(items, failures);
        }) {}

  void pass(std::span<const Item> items, std::span<std::exception_ptr> failures) {
    const std::lock_guard lock(mutex);
    const std::int64_t graphs = transformer.counts().graphs;
    try {
      transformer.forward(items);
      if (transformer.counts().graphs != graphs) batcher.forget_pass();
      return;
    } catch (const Exception& e) {
      if (e.code() != ErrorCode::kResourceExhausted || items.size() == 1) throw;
    }
    // There is no room for all of them; for some there may be.
    for (std::size_t i = 0; i < items.size(); ++i) {
      try {
        transformer.forward(items.subspan(i, 1));
      } catch (const Exception&) {
        failures[i] = std::current_exception();
      }
    }
  }

  std::mutex mutex;
  CudaTransformer transformer;
  CudaBatcher batcher;
};

// A sequence that is given back under the lock.
class Held {
 public:
  Held(std::shared_ptr<Shared> shared, std::unique_ptr<CudaSequence> sequence)
      : shared_(std::move(shared)), sequence_(std::move(sequence)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    const std::lock_guard lock(shared_->mutex);
    sequence_.reset();
  }
  std::unique_ptr<CudaSequence> copy() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->transformer.fork(*sequence_);
  }
  void replace(std::unique_ptr<CudaSequence> sequence) {
    const std::lock_guard lock(shared_->mutex);
    sequence_ = std::move(sequence);
  }
  Shared& shared() const { return *shared_; }
  const std::shared_ptr<Shared>& owner() const { return shared_; }
  CudaSequence& sequence() const { return *sequence_; }

 private:
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<CudaSequence> sequence_;
};

class CudaKept : public KeptKv {
 public:
  CudaKept(std::shared_ptr<Shared> shared, std::unique_ptr<CudaSequence> sequence)
      : held_(std::move(shared), std::move(sequence)), size_(held_.sequence().size()) {}
  std::int64_t size() const override { return size_; }
  bool can_roll_back(std::int64_t size) const override {
    return held_.shared().transformer.can_roll_back(held_.sequence(), size);
  }
  std::size_t add_pages(std::set<const void*>& seen) const override {
    return held_.shared().transformer.add_pages(held_.sequence(), seen);
  }
  // Passes go on while the bytes go to a disk: a page is looked for anew each time, and nobody writes to it.
  void save(const PutBytes& put) const override {
    std::unique_lock lock(held_.shared().mutex);
    held_.shared().transformer.save(held_.sequence(), [&](std::span<const std::byte> bytes) {
      lock.unlock();
      put(bytes);
      lock.lock();
    });
  }
  const Held& held() const { return held_; }

 private:
  Held held_;
  std::int64_t size_;
};

class CudaTimeline : public Timeline {
 public:
  CudaTimeline(std::shared_ptr<Shared> shared, std::unique_ptr<CudaSequence> sequence)
      : held_(std::move(shared), std::move(sequence)) {}

  std::int64_t size() const override { return held_.sequence().size(); }
  void forward(std::span<const Token> tokens, int n_logits, float* logits) override {
    // Alone: rows that go to host memory are for whoever looks at logits, not for decoding.
    const Item item = {&held_.sequence(), tokens, n_logits, logits};
    if (n_logits == 0) return held_.shared().batcher.run(item);
    const std::lock_guard lock(held_.shared().mutex);
    held_.shared().transformer.forward({&item, 1});
  }
  bool draws() const override { return true; }
  std::optional<Result<ops::Draw>> forward_and_draw(std::span<const Token> tokens, int n_logits, const DrawRequest* request) override {
    std::optional<Result<ops::Draw>> draw;
    held_.shared().batcher.run({&held_.sequence(), tokens, n_logits, nullptr, request, &draw});
    return draw;
  }
  Result<ops::Draw> draw(std::int64_t size, const DrawRequest& request) override {
    const std::lock_guard lock(held_.shared().mutex);
    return held_.shared().transformer.draw(held_.sequence(), size, request);
  }
  void copy_logits(std::int64_t size, float* logits) const override {
    const std::lock_guard lock(held_.shared().mutex);
    held_.shared().transformer.copy_logits(held_.sequence(), size, logits);
  }
  // As many as go the decode way, whose bits do not depend on what is read together.
  Ahead ahead() const override {
    const Shared& shared = held_.shared();
    if (!shared.batcher.alone()) return {};
    return {static_cast<std::size_t>(shared.transformer.decode_tokens_max() - 1), shared.batcher.price()};
  }
  std::unique_ptr<Timeline> fork() const override {
    return std::make_unique<CudaTimeline>(held_.owner(), held_.copy());
  }

  std::shared_ptr<const KeptKv> keep() const override { return std::make_shared<CudaKept>(held_.owner(), copy_without_logits()); }

  struct CudaSnapshot : Snapshot {
    CudaSnapshot(std::shared_ptr<Shared> shared, std::unique_ptr<CudaSequence> sequence)
        : held(std::move(shared), std::move(sequence)) {}
    Held held;
  };
  std::shared_ptr<const Snapshot> snapshot() const override {
    return std::make_shared<CudaSnapshot>(held_.owner(), copy_without_logits());
  }
  void restore(const Snapshot& snapshot) override {
    held_.replace(static_cast<const CudaSnapshot&>(snapshot).held.copy());
  }
  bool can_roll_back(std::int64_t size) const override {
    return held_.shared().transformer.can_roll_back(held_.sequence(), size);
  }
  void rollback(std::int64_t size) override {
    const std::lock_guard lock(held_.shared().mutex);
    TOCCATA_CHECK(held_.shared().transformer.rollback(held_.sequence(), size));
  }
  std::size_t kv_bytes() const override {
    return held_.shared().transformer.kv_bytes(held_.sequence());
  }

 private:
  std::unique_ptr<CudaSequence> copy_without_logits() const {
    auto copy = held_.copy();
    const std::lock_guard lock(held_.shared().mutex);
    copy->forget_logits();
    return copy;
  }
  Held held_;
};

class CudaDeviceImpl : public CudaDevice {
 public:
  explicit CudaDeviceImpl(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model>) const override {
    const std::lock_guard lock(shared_->mutex);
    return std::make_unique<CudaTimeline>(shared_, shared_->transformer.new_sequence());
  }
  std::unique_ptr<Timeline> open_timeline(const KeptKv& kept, std::int64_t n_tokens) const override {
    auto timeline = std::make_unique<CudaTimeline>(shared_, static_cast<const CudaKept&>(kept).held().copy());
    timeline->rollback(n_tokens);
    return timeline;
  }
  std::shared_ptr<const KeptKv> load(const GetBytes& get) const override {
    std::unique_lock lock(shared_->mutex);
    auto sequence = shared_->transformer.load([&](std::span<std::byte> bytes) {  // into pages that nobody else knows yet
      lock.unlock();
      const bool good = get(bytes);
      lock.lock();
      return good;
    });
    return sequence != nullptr ? std::make_shared<CudaKept>(shared_, std::move(sequence)) : nullptr;
  }
  std::string describe() const override {
    const std::lock_guard lock(shared_->mutex);
    return shared_->transformer.describe();
  }
  PassCounts counts() const override { return shared_->batcher.counts(); }
  Limits limits() const override {
    const std::lock_guard lock(shared_->mutex);
    const CudaTransformer::Limits found = CudaTransformer::measure_limits();
    return {found.bytes_per_second, found.flops_per_second};
  }
  void start_profile() const override {
    const std::lock_guard lock(shared_->mutex);
    shared_->transformer.start_profile();
  }
  std::vector<OpTime> stop_profile() const override {
    const std::lock_guard lock(shared_->mutex);
    return shared_->transformer.stop_profile();
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

int default_chunk_tokens(bool exact) {
  constexpr std::size_t kLargeCard = std::size_t{36} << 30;
  if (exact) return 8;
  const auto devices = cuda::list_devices();
  return devices && !devices->empty() && devices->front().memory_bytes >= kLargeCard ? 1024 : 512;
}

std::shared_ptr<const CudaDevice> open_cuda_device(
    std::shared_ptr<const model::Weights> weights, const Options& options
) {
  const auto devices = cuda::list_devices();
  if (!devices) throw Exception(devices.error());
  CudaOptions cuda_options;
  cuda_options.n_context = options.n_context;
  cuda_options.exact = options.exact;
  cuda_options.chunk_tokens = options.chunk_tokens;
  cuda_options.graphs = options.graphs;
  cuda_options.overlap_launches = options.graphs;
  cuda_options.device_bytes = options.device_bytes;
  cuda_options.kv_host_bytes = options.kv_host_bytes.value_or(host_bytes());
  if (options.n_sequences > 0) cuda_options.n_sequences = options.n_sequences;
  return std::make_shared<CudaDeviceImpl>(std::make_shared<Shared>(std::move(weights), cuda_options));
}

}  // namespace toccata::engine
