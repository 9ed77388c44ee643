// Keys and values in device memory: pages of kPagePositions positions in one pool a layer, handed out by number, shared
// between sequences until one of them writes, and moved to host memory and back when there are too few.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/engine/cuda/common.cuh"
#include "core/engine/cuda_transformer.h"
#include "core/model/config.h"

namespace toccata::engine {

namespace device_side {
class DeviceKv;
}

// The same positions in every layer of a kind: those that see everything, or the windowed ones (ring). Whoever holds a
// reference may read it; who holds the only one may write.
class KvPage {
 public:
  KvPage(device_side::DeviceKv& owner, bool ring, int number) : owner_(owner), ring_(ring), number_(number) {}
  KvPage(const KvPage&) = delete;
  KvPage& operator=(const KvPage&) = delete;
  ~KvPage();

 private:
  friend class device_side::DeviceKv;
  device_side::DeviceKv& owner_;
  bool ring_;
  int number_;                    // in the pools; -1: in host memory
  device_side::Pinned<std::byte> away_;  // the page of each layer in turn, when in host memory
  std::int64_t pass_ = 0;         // the last one that needed it
};

namespace device_side {

class DeviceKv {
 public:
  using PageRef = std::shared_ptr<KvPage>;

  // Sizes, before there is memory.
  DeviceKv(const model::Config& c, const CudaOptions& o)
      : n_full_layers_(c.n_layers / 2), n_ring_layers_(c.n_layers - c.n_layers / 2), row_(c.kv_size()), window_(c.sliding_window) {
    const std::size_t element = o.exact ? sizeof(float) : sizeof(std::uint16_t);
    page_bytes_ = size(2 * kPagePositions * row_) * element;
    full_width_ = static_cast<int>(pages_for(o.n_context));
    ring_width_ = static_cast<int>(pages_for(c.sliding_window - 1 + o.chunk_tokens));
    // Half as many rings again: forks and checkpoints hold old ones.
    n_ring_ = std::int64_t{ring_width_} * std::max(2, o.n_sequences + o.n_sequences / 2);
    n_full_wanted_ = full_width_ * std::int64_t{o.n_sequences};
    host_max_ = o.kv_host_bytes;
  }
  std::size_t least_bytes() const { return bytes_of(std::min<std::int64_t>(full_width_, 128), ring_width_ * 2); }
  std::size_t wanted_bytes() const { return bytes_of(n_full_wanted_, n_ring_); }

  // Takes the memory. Throws Exception(kResourceExhausted) when `budget` holds no rings.
  void make(const model::Config& c, std::size_t budget, int n_sequences, int n_rows, const Stream& stream) {
    // When they would take more than half of it, fewer rings: sessions that wait give theirs up (to host memory).
    while (n_ring_ > 2 * ring_width_ && bytes_of(0, n_ring_) > budget / 2) n_ring_ -= ring_width_;
    if (budget < bytes_of(1, n_ring_)) {
      throw Exception(
          ErrorCode::kResourceExhausted,
          "the KV cache of " + std::to_string(n_sequences) + " sequences needs more than " +
              std::to_string(bytes_of(1, n_ring_) >> 20) + " MiB, " + std::to_string(budget >> 20) +
              " MiB are there: ask for fewer sequences or a smaller chunk"
      );
    }
    const std::size_t left = budget - bytes_of(0, n_ring_);
    const std::int64_t n_full = std::min<std::int64_t>(
        n_full_wanted_, static_cast<std::int64_t>(left / std::max<std::size_t>(1, bytes_of(1, 0)))
    );
    pools_[0].make(static_cast<int>(n_full));
    pools_[1].make(static_cast<int>(n_ring_));
    for (int layer = 0; layer < c.n_layers; ++layer) {
      memory_.emplace_back(size(c.windowed(layer) ? n_ring_ : n_full) * page_bytes_);
      windowed_.push_back(c.windowed(layer));
      zero_bytes(memory_.back().data(), memory_.back().bytes(), stream);
    }
    for (int ring = 0; ring < 2; ++ring) {
      const std::size_t n = size(n_rows) * size(ring != 0 ? ring_width_ : full_width_);
      tables_[ring] = Array<int>(n);
      host_tables_[ring] = Pinned<int>(n);
      zero_bytes(tables_[ring].data(), tables_[ring].bytes(), stream);
      std::fill_n(host_tables_[ring].data(), n, 0);
    }
    stream.wait();
  }

  // --- Pages of a pass -----------------------------------------------------------------------------------------------

  void begin_pass() { ++pass_; }
  // Pages that the pass needs: none of them leaves the device before the next begin_pass().
  void hold(const std::vector<PageRef>& pages) {
    for (const PageRef& page : pages) {
      if (page != nullptr) page->pass_ = pass_;
    }
  }
  // Brings held pages back that are in host memory.
  void bring_back(const std::vector<PageRef>& pages, const Stream& stream) {
    for (const PageRef& page : pages) {
      if (page == nullptr || page->number_ >= 0) continue;
      const int number = take(page->ring_, stream);
      copy_layers(page->ring_, number, page->away_.data(), true, stream);
      stream.wait();
      page->number_ = number;
      pools_[page->ring_ ? 1 : 0].resident[size(number)] = page.get();
      host_bytes_ -= page->away_.bytes();
      spare_[page->ring_ ? 1 : 0].push_back(std::move(page->away_));
      ++returns_;
    }
  }
  // Makes pages[index], which will be written, the sequence's own: a new one, or a copy of one that others hold too.
  void own(bool ring, std::vector<PageRef>& pages, std::size_t index, const Stream& stream) {
    if (index < pages.size() && pages[index] != nullptr && pages[index].use_count() == 1) return;
    const int number = take(ring, stream);
    auto page = std::make_shared<KvPage>(*this, ring, number);
    page->pass_ = pass_;
    pools_[ring ? 1 : 0].resident[size(number)] = page.get();
    if (index == pages.size()) {
      pages.push_back(std::move(page));
      return;
    }
    if (pages[index] != nullptr) {
      for (std::size_t layer = 0; layer < memory_.size(); ++layer) {
        if (windowed_[layer] == ring) copy_bytes(at(layer, number), at(layer, pages[index]->number_), page_bytes_, stream);
      }
    }
    pages[index] = std::move(page);
  }

  // --- Pages apart from a pass ---------------------------------------------------------------------------------------

  // Of all layers of its kind, one after the other, as in host memory.
  std::size_t page_bytes(bool ring) const { return ring ? bytes_of(0, 1) : bytes_of(1, 0); }
  void read(const KvPage& page, std::byte* to, const Stream& stream) {
    if (page.number_ < 0) {
      std::memcpy(to, page.away_.data(), page.away_.bytes());
      return;
    }
    copy_layers(page.ring_, page.number_, to, false, stream);
    stream.wait();
  }
  // A page in host memory, to be filled. Throws Exception(kResourceExhausted) when there is no room for it.
  PageRef page_in_host_memory(bool ring) {
    if (host_bytes_ + page_bytes(ring) > host_max_) {
      throw Exception(
          ErrorCode::kResourceExhausted, "keys and values take " + std::to_string(host_bytes_ >> 20) + " of " +
                                             std::to_string(host_max_ >> 20) + " MiB of host memory: there is no room for more"
      );
    }
    auto page = std::make_shared<KvPage>(*this, ring, -1);
    page->away_ = take_host_page(ring);
    return page;
  }
  static std::span<std::byte> bytes_in_host_memory(const KvPage& page) { return {page.away_.data(), page.away_.bytes()}; }

  // --- Tables --------------------------------------------------------------------------------------------------------

  // Row `row` of the page tables, on its way to the device.
  void stage(std::size_t row, const std::vector<PageRef>& full, const std::vector<PageRef>& ring, const Stream& stream) {
    stage_one(0, row * size(full_width_), full, stream);
    stage_one(1, row * size(ring_width_), ring, stream);
  }
  template <class Kv>
  KvLayer<Kv> layer(int layer) const {
    const bool ring = windowed_[size(layer)];
    return {
        reinterpret_cast<Kv*>(memory_[size(layer)].data()), tables_[ring ? 1 : 0].data(), ring ? ring_width_ : full_width_,
        row_, ring ? ring_slots() : 0};
  }

  // --- Sizes ---------------------------------------------------------------------------------------------------------

  std::size_t bytes_of(std::int64_t full, std::int64_t ring) const {
    return (size(full) * size(n_full_layers_) + size(ring) * size(n_ring_layers_)) * page_bytes_;
  }
  std::size_t bytes() const { return bytes_of(pools_[0].n(), pools_[1].n()); }
  std::size_t used_bytes() const { return bytes_of(pools_[0].n() - pools_[0].n_free(), pools_[1].n() - pools_[1].n_free()); }
  std::size_t host_bytes() const { return host_bytes_; }
  std::int64_t spills() const { return spills_; }
  std::int64_t returns() const { return returns_; }
  int ring_slots() const { return ring_width_ * kPagePositions; }
  int ring_width() const { return ring_width_; }
  int window() const { return window_; }

 private:
  friend class engine::KvPage;
  struct Pool {
    std::vector<int> free;
    std::vector<KvPage*> resident;  // who has the number; null: free
    void make(int n) {
      resident.assign(size(n), nullptr);
      for (int number = n - 1; number >= 0; --number) free.push_back(number);
    }
    int n() const { return static_cast<int>(resident.size()); }
    int n_free() const { return static_cast<int>(free.size()); }
  };
  void drop(KvPage& page) {
    Pool& pool = pools_[page.ring_ ? 1 : 0];
    if (page.number_ >= 0) {
      pool.resident[size(page.number_)] = nullptr;
      pool.free.push_back(page.number_);
    } else if (page.away_.size() > 0) {
      host_bytes_ -= page.away_.bytes();
      spare_[page.ring_ ? 1 : 0].push_back(std::move(page.away_));
    }
  }
  std::byte* at(std::size_t layer, int number) const { return memory_[layer].data() + size(number) * page_bytes_; }
  void copy_layers(bool ring, int number, std::byte* host, bool to_device, const Stream& stream) {
    for (std::size_t layer = 0; layer < memory_.size(); ++layer) {
      if (windowed_[layer] != ring) continue;
      std::byte* const here = at(layer, number);
      copy_bytes(to_device ? here : host, to_device ? host : here, page_bytes_, stream);
      host += page_bytes_;
    }
  }
  // A free number: if need be that of the page that has not been needed for longest, which goes to host memory.
  int take(bool ring, const Stream& stream) {
    Pool& pool = pools_[ring ? 1 : 0];
    if (pool.free.empty() && !spill(ring, stream)) {
      throw Exception(
          ErrorCode::kResourceExhausted,
          "the KV cache on the GPU is full: " + std::to_string(pool.n()) + " pages of 64 positions, all in use, and " +
              std::to_string(host_bytes_ >> 20) + " of " + std::to_string(host_max_ >> 20) + " MiB in host memory"
      );
    }
    const int number = pool.free.back();
    pool.free.pop_back();
    return number;
  }
  Pinned<std::byte> take_host_page(bool ring) {
    auto& spare = spare_[ring ? 1 : 0];
    if (spare.empty()) spare.emplace_back(page_bytes(ring));
    Pinned<std::byte> page = std::move(spare.back());
    spare.pop_back();
    host_bytes_ += page.bytes();
    return page;
  }
  bool spill(bool ring, const Stream& stream) {
    Pool& pool = pools_[ring ? 1 : 0];
    KvPage* oldest = nullptr;
    for (KvPage* page : pool.resident) {
      if (page != nullptr && page->pass_ < pass_ && (oldest == nullptr || page->pass_ < oldest->pass_)) oldest = page;
    }
    if (oldest == nullptr || host_bytes_ + page_bytes(ring) > host_max_) return false;
    oldest->away_ = take_host_page(ring);
    copy_layers(ring, oldest->number_, oldest->away_.data(), false, stream);
    stream.wait();
    pool.resident[size(oldest->number_)] = nullptr;
    pool.free.push_back(std::exchange(oldest->number_, -1));
    ++spills_;
    return true;
  }
  void stage_one(int kind, std::size_t at, const std::vector<PageRef>& pages, const Stream& stream) {
    int* numbers = host_tables_[kind].data() + at;
    for (std::size_t i = 0; i < pages.size(); ++i) numbers[i] = pages[i] != nullptr ? pages[i]->number_ : 0;
    copy_bytes(tables_[kind].data() + at, numbers, pages.size() * sizeof(int), stream);
  }

  int n_full_layers_, n_ring_layers_, row_, window_;
  std::size_t page_bytes_ = 0;  // of one layer
  int full_width_ = 0, ring_width_ = 0;
  std::int64_t n_ring_ = 0, n_full_wanted_ = 0;
  std::size_t host_max_ = 0, host_bytes_ = 0;
  std::int64_t pass_ = 0, spills_ = 0, returns_ = 0;
  Pool pools_[2];  // of the layers that see everything, of the windowed ones
  std::vector<Array<std::byte>> memory_;  // [n_layers]
  std::vector<bool> windowed_;
  Array<int> tables_[2];  // [rows, width] page numbers
  Pinned<int> host_tables_[2];
  std::vector<Pinned<std::byte>> spare_[2];
};

}  // namespace device_side

inline KvPage::~KvPage() { owner_.drop(*this); }

}  // namespace toccata::engine
