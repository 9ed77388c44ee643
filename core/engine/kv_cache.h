// The keys and values a session has computed. Full layers grow page by page; windowed layers are rings that hold the
// last window and one prefill chunk. Pages are shared between a cache and its copies until one of them writes: a fork or
// a snapshot costs a few pointers, not a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "core/model/config.h"
#include "core/ops/attention.h"

namespace toccata::engine {

class KvCache {
 public:
  // `chunk_max`: most positions written between two reads.
  KvCache(const model::Config& config, int chunk_max, ops::KvType type = ops::KvType::kF32);

  // Positions 0 .. size() - 1 are held (by windowed layers: the last ones of them).
  std::int64_t size() const { return size_; }

  // Makes room for n more positions: the pages they fall in become this cache's own. They count only after advance(n).
  void reserve(int n);
  void advance(int n) { size_ += n; }

  // Valid until the next reserve(), rollback() or restore().
  ops::KvView layer(int layer);

  // What is needed to come back to the present size: the rings, by reference.
  struct Snapshot;
  std::shared_ptr<const Snapshot> snapshot() const;
  void restore(const Snapshot& snapshot);

  // Whether the rings still hold the window before position `size`; rollback() needs it.
  bool can_roll_back(std::int64_t size) const;
  void rollback(std::int64_t size);

  // All it holds, as bytes, one span after the other; load() of a cache of the same model and options takes them back. False when
  // `get` says so or what comes is no such cache: the cache is of no use then.
  void save(const std::function<void(std::span<const std::byte>)>& put) const;
  bool load(const std::function<bool(std::span<std::byte>)>& get);

  // Bytes of the pages this cache refers to, shared ones included.
  std::size_t bytes() const;
  // Bytes of those that are not among `seen`, which they are afterwards.
  std::size_t add_pages(std::set<const void*>& seen) const;

 private:
  using Page = std::vector<std::byte>;  // keys of kPage positions, head by head, then their values
  struct Layer {
    std::int64_t n_slots = 0;  // of a ring; 0: a layer that grows
    std::vector<std::shared_ptr<Page>> pages;
    std::vector<std::byte*> key_pages, value_pages;  // into `pages`, what the kernels read
  };

  void make_own(Layer& layer, std::size_t page);

  std::size_t half_page() const;  // bytes of a page's keys
  void show(Layer& layer, std::size_t page);
  bool holds_its_window(const Layer& layer) const;

  ops::KvFormat format_;
  int window_;
  std::int64_t size_ = 0;
  std::int64_t highest_ = 0;  // one past the last position ever written: tells what a ring has lost
  std::vector<Layer> layers_;
};

// Of several caches together, each shared page counted once.
std::size_t distinct_bytes(std::span<const KvCache* const> caches);

// As the options of the model say, with nothing in it.
KvCache new_cache(const class Model& model);

}  // namespace toccata::engine
