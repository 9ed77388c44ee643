#include "core/engine/batcher.h"
#include "core/engine/cuda_device.h"
#include "core/engine/kv_cache.h"
#include "core/engine/timeline.h"

namespace toccata::engine {
namespace {

class CpuTimeline : public Timeline {
 public:
  CpuTimeline(std::shared_ptr<const Model> model, KvCache cache) : model_(std::move(model)), cache_(std::move(cache)) {}

  std::int64_t size() const override { return cache_.size(); }
  void forward(std::span<const Token> tokens, int n_logits, float* logits) override {
    const auto n_vocab = static_cast<std::size_t>(model_->config().n_vocab);
    model_->batcher()->run({&cache_, tokens, n_logits, logits, n_vocab});
  }
  std::unique_ptr<Timeline> fork() const override { return std::make_unique<CpuTimeline>(*this); }

  struct CpuSnapshot : Snapshot {
    std::shared_ptr<const KvCache::Snapshot> cache;
  };
  std::shared_ptr<const Snapshot> snapshot() const override {
    auto taken = std::make_shared<CpuSnapshot>();
    taken->cache = cache_.snapshot();
    return taken;
  }
  void restore(const Snapshot& snapshot) override {
    cache_.restore(*static_cast<const CpuSnapshot&>(snapshot).cache);
  }
  bool can_roll_back(std::int64_t size) const override { return cache_.can_roll_back(size); }
  void rollback(std::int64_t size) override { cache_.rollback(size); }
  std::size_t kv_bytes() const override { return cache_.bytes(); }
  const KvCache* cpu_cache() const override { return &cache_; }

 private:
  std::shared_ptr<const Model> model_;
  KvCache cache_;
};

}  // namespace

KvCache new_cache(const Model& model) { return {model.config(), model.options().chunk_tokens, *model.options().kv}; }

std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model, KvCache read) {
  return std::make_unique<CpuTimeline>(std::move(model), std::move(read));
}

std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model) {
  switch (model->options().device) {
    case ops::Device::kCpu: {
      KvCache empty = new_cache(*model);
      return open_timeline(std::move(model), std::move(empty));
    }
    case ops::Device::kCuda: return model->cuda()->open_timeline(model);
  }
  return nullptr;
}

}  // namespace toccata::engine
