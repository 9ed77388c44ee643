// How many tokens each expert of each layer has worked on.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace toccata::engine {

// Counted by the thread that makes a pass, read by any. A pass adds one number a token, layer and chosen expert: of 20b
// some hundred additions beside billions of multiplications.
class ExpertLoad {
 public:
  ExpertLoad(int n_layers, int n_experts)
      : n_layers_(n_layers), n_experts_(n_experts), counts_(static_cast<std::size_t>(n_layers) * static_cast<std::size_t>(n_experts)) {}

  int n_layers() const { return n_layers_; }
  int n_experts() const { return n_experts_; }

  // experts: [n, k], what route() wrote for a layer's tokens. One thread at a time.
  void count(int layer, std::span<const std::int32_t> experts) {
    const std::size_t row = static_cast<std::size_t>(layer) * static_cast<std::size_t>(n_experts_);
    for (const std::int32_t expert : experts) {
      std::atomic<std::int64_t>& n = counts_[row + static_cast<std::size_t>(expert)];
      n.store(n.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // no lock: there is one writer
    }
  }
  // [n_layers, n_experts]; tokens that were guessed and turned out wrong are among them: they were computed.
  std::vector<std::int64_t> counts() const {
    std::vector<std::int64_t> now;
    now.reserve(counts_.size());
    for (const std::atomic<std::int64_t>& n : counts_) now.push_back(n.load(std::memory_order_relaxed));
    return now;
  }

 private:
  int n_layers_, n_experts_;
  std::vector<std::atomic<std::int64_t>> counts_;
};

}  // namespace toccata::engine
