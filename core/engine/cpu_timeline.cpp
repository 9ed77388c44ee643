#include "core/engine/batcher.h"
#include "core/engine/cuda_device.h"
#include "core/engine/kv_cache.h"
#include "core/engine/timeline.h"

namespace toccata::engine {
namespace {

class CpuKept : public KeptKv {
 public:
  explicit CpuKept(KvCache cache) : cache_(std::move(cache)) {}
  std::int64_t size() const override { return cache_.size(); }
  bool can_roll_back(std::int64_t size) const override { return cache_.can_roll_back(size); }
  std::size_t add_pages(std::set<const void*>& seen) const override { return cache_.add_pages(seen); }
  void save(const PutBytes& put) const override { cache_.save(put); }
  const KvCache& cache() const { return cache_; }

 private:
  KvCache cache_;
};

class CpuTimeline : public Timeline {
 public:
  CpuTimeline(std::shared_ptr<const Model> model, KvCache cache) : model_(std::move(model)), cache_(std::move(cache)) {}

  std::int64_t size() const override { return cache_.size(); }
  void forward(std::span<const Token> tokens, int n_logits, float* logits) override {
    const auto n_vocab = static_cast<std::size_t>(model_->config().n_vocab);
    model_->batcher()->run({&cache_, tokens, n_logits, logits, n_vocab});
  }
  Ahead ahead() const override {
    const Batcher& batcher = *model_->batcher();
    if (!batcher.alone()) return {};
    return {static_cast<std::size_t>(model_->options().chunk_tokens - 1), batcher.price()};
  }
  std::unique_ptr<Timeline> fork() const override { return std::make_unique<CpuTimeline>(*this); }
  std::shared_ptr<const KeptKv> keep() const override { return std::make_shared<CpuKept>(cache_); }

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

std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model) {
  switch (model->options().device) {
    case ops::Device::kCpu: {
      KvCache empty = new_cache(*model);
      return std::make_unique<CpuTimeline>(std::move(model), std::move(empty));
    }
    case ops::Device::kCuda: return model->cuda()->open_timeline(model);
  }
  return nullptr;
}

std::unique_ptr<Timeline> open_timeline(std::shared_ptr<const Model> model, const KeptKv& kept, std::int64_t n_tokens) {
  if (model->cuda() != nullptr) return model->cuda()->open_timeline(kept, n_tokens);
  KvCache cache = static_cast<const CpuKept&>(kept).cache();
  cache.rollback(n_tokens);
  return std::make_unique<CpuTimeline>(std::move(model), std::move(cache));
}

KvLoader kv_loader(const Model& model) {
  if (const CudaDevice* device = model.cuda()) return [device](const GetBytes& get) { return device->load(get); };
  return [empty = new_cache(model)](const GetBytes& get) -> std::shared_ptr<const KeptKv> {
    KvCache cache = empty;
    return cache.load(get) ? std::make_shared<CpuKept>(std::move(cache)) : nullptr;
  };
}

}  // namespace toccata::engine
