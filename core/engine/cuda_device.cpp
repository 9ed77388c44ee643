#include "core/engine/cuda_device.h"

#include <mutex>

#include "core/cuda/device.h"
#include "core/engine/cuda_transformer.h"

namespace toccata::engine {
namespace {

// The transformer and whose turn it is. Sequences keep it alive.
struct Shared {
  Shared(std::shared_ptr<const model::Weights> weights, const CudaOptions& options)
      : transformer(std::move(weights), options) {}
  std::mutex mutex;
  CudaTransformer transformer;
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

class CudaTimeline : public Timeline {
 public:
  CudaTimeline(std::shared_ptr<Shared> shared, std::unique_ptr<CudaSequence> sequence)
      : held_(std::move(shared), std::move(sequence)) {}

  std::int64_t size() const override { return held_.sequence().size(); }
  void forward(std::span<const Token> tokens, int n_logits, float* logits) override {
    const CudaTransformer::Item item = {&held_.sequence(), tokens, n_logits, logits};
    const std::lock_guard lock(held_.shared().mutex);
    held_.shared().transformer.forward({&item, 1});
  }
  std::unique_ptr<Timeline> fork() const override {
    return std::make_unique<CudaTimeline>(held_.owner(), held_.copy());
  }

  struct CudaSnapshot : Snapshot {
    CudaSnapshot(std::shared_ptr<Shared> shared, std::unique_ptr<CudaSequence> sequence)
        : held(std::move(shared), std::move(sequence)) {}
    Held held;
  };
  std::shared_ptr<const Snapshot> snapshot() const override {
    return std::make_shared<CudaSnapshot>(held_.owner(), held_.copy());
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
  Held held_;
};

class CudaDeviceImpl : public CudaDevice {
 public:
  explicit CudaDeviceImpl(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model>) const override {
    const std::lock_guard lock(shared_->mutex);
    return std::make_unique<CudaTimeline>(shared_, shared_->transformer.new_sequence());
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::shared_ptr<const CudaDevice> open_cuda_device(
    std::shared_ptr<const model::Weights> weights, const Options& options
) {
  const auto devices = cuda::list_devices();
  if (!devices) throw Exception(devices.error());
  CudaOptions cuda_options;
  cuda_options.n_context = options.n_context;
  cuda_options.exact = options.exact;
  cuda_options.chunk_tokens = options.chunk_tokens;
  if (options.n_sequences > 0) cuda_options.n_sequences = options.n_sequences;
  return std::make_shared<CudaDeviceImpl>(std::make_shared<Shared>(std::move(weights), cuda_options));
}

}  // namespace toccata::engine
