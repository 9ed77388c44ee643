#include "core/engine/kv_cache.h"

#include <algorithm>

namespace toccata::engine {
namespace {

constexpr int kPage = 64;  // positions

std::int64_t round_up(std::int64_t n) { return (n + kPage - 1) / kPage * kPage; }

}  // namespace

struct KvCache::Snapshot {
  std::int64_t size, highest;
  std::vector<std::vector<std::shared_ptr<Page>>> rings;  // of the windowed layers, in order
};

KvCache::KvCache(const model::Config& config, int chunk_max, ops::KvType type)
    : format_{type, config.n_kv_heads, config.head_dim},
      window_(config.sliding_window),
      layers_(static_cast<std::size_t>(config.n_layers)) {
  TOCCATA_CHECK(ops::fits(type, config.head_dim));
  for (int n = 0; n < config.n_layers; ++n) {
    if (config.windowed(n)) {
      layers_[static_cast<std::size_t>(n)].n_slots = round_up(config.sliding_window - 1 + chunk_max);
    }
  }
}

void KvCache::make_own(Layer& layer, std::size_t page) {
  if (page >= layer.pages.size()) {
    layer.pages.resize(page + 1);
    layer.key_pages.resize(page + 1);
    layer.value_pages.resize(page + 1);
  }
  auto& held = layer.pages[page];
  if (held == nullptr) {
    held = std::make_shared<Page>(2 * half_page());
  } else if (held.use_count() > 1) {
    held = std::make_shared<Page>(*held);
  }
  show(layer, page);
}

std::size_t KvCache::half_page() const { return static_cast<std::size_t>(kPage) * format_.row_bytes(); }

void KvCache::show(Layer& layer, std::size_t page) {
  layer.key_pages[page] = layer.pages[page]->data();
  layer.value_pages[page] = layer.pages[page]->data() + half_page();
}

void KvCache::reserve(int n) {
  for (Layer& layer : layers_) {
    for (std::int64_t position = size_; position < size_ + n; position = (position / kPage + 1) * kPage) {
      const std::int64_t slot = layer.n_slots > 0 ? position % layer.n_slots : position;
      make_own(layer, static_cast<std::size_t>(slot / kPage));
    }
  }
  highest_ = std::max(highest_, size_ + n);
}

ops::KvView KvCache::layer(int n) {
  Layer& layer = layers_[static_cast<std::size_t>(n)];
  return {layer.key_pages, layer.value_pages, format_, kPage, layer.n_slots};
}

std::shared_ptr<const KvCache::Snapshot> KvCache::snapshot() const {
  auto s = std::make_shared<Snapshot>(Snapshot{size_, highest_, {}});
  for (const Layer& layer : layers_) {
    if (layer.n_slots > 0) s->rings.push_back(layer.pages);
  }
  return s;
}

void KvCache::restore(const Snapshot& snapshot) {
  auto ring = snapshot.rings.begin();
  for (Layer& layer : layers_) {
    if (layer.n_slots == 0) continue;
    layer.pages = *ring++;
    layer.key_pages.assign(layer.pages.size(), nullptr);
    layer.value_pages.assign(layer.pages.size(), nullptr);
    for (std::size_t page = 0; page < layer.pages.size(); ++page) {
      if (layer.pages[page] != nullptr) show(layer, page);
    }
  }
  highest_ = snapshot.highest;
  rollback(snapshot.size);
}

bool KvCache::can_roll_back(std::int64_t size) const {
  if (size > size_) return false;
  // A position is still in a ring when fewer than n_slots positions were written after it.
  const std::int64_t oldest_needed = std::max<std::int64_t>(0, size - window_ + 1);
  return std::all_of(layers_.begin(), layers_.end(), [&](const Layer& layer) {
    return layer.n_slots == 0 || highest_ - oldest_needed <= layer.n_slots;
  });
}

void KvCache::rollback(std::int64_t size) {
  TOCCATA_CHECK(size >= 0 && can_roll_back(size));
  size_ = size;
  // Pages past the end are given back; what a ring holds past the end stays as it is and is overwritten.
  const auto n_pages = static_cast<std::size_t>(round_up(size) / kPage);
  for (Layer& layer : layers_) {
    if (layer.n_slots > 0 || layer.pages.size() <= n_pages) continue;
    layer.pages.resize(n_pages);
    layer.key_pages.resize(n_pages);
    layer.value_pages.resize(n_pages);
  }
}

namespace {

template <class Number>
std::span<const std::byte> bytes_of(const Number& number) {
  return std::as_bytes(std::span(&number, 1));
}
template <class Number>
bool take(const std::function<bool(std::span<std::byte>)>& get, Number& number) {
  return get(std::as_writable_bytes(std::span(&number, 1)));
}

}  // namespace

void KvCache::save(const std::function<void(std::span<const std::byte>)>& put) const {
  put(bytes_of(size_));
  put(bytes_of(highest_));
  for (const Layer& layer : layers_) {
    const std::uint64_t n_pages = layer.pages.size();
    put(bytes_of(n_pages));
    for (const auto& page : layer.pages) {
      const std::uint8_t is_there = page != nullptr ? 1 : 0;
      put(bytes_of(is_there));
      if (page != nullptr) put(*page);
    }
  }
}

bool KvCache::load(const std::function<bool(std::span<std::byte>)>& get) {
  if (!take(get, size_) || !take(get, highest_) || size_ < 0 || highest_ < size_) return false;
  for (Layer& layer : layers_) {
    const std::int64_t n_pages_max = (layer.n_slots > 0 ? layer.n_slots : round_up(size_)) / kPage;
    std::uint64_t n_pages = 0;
    if (!take(get, n_pages) || n_pages > static_cast<std::uint64_t>(n_pages_max)) return false;
    layer.pages.assign(n_pages, nullptr);
    layer.key_pages.assign(n_pages, nullptr);
    layer.value_pages.assign(n_pages, nullptr);
    for (std::size_t page = 0; page < n_pages; ++page) {
      std::uint8_t is_there = 0;
      if (!take(get, is_there) || is_there > 1) return false;
      if (is_there == 0) continue;
      layer.pages[page] = std::make_shared<Page>(2 * half_page());
      if (!get(*layer.pages[page])) return false;
      show(layer, page);
    }
    if (!holds_its_window(layer)) return false;
  }
  return true;
}

bool KvCache::holds_its_window(const Layer& layer) const {
  const std::int64_t first = layer.n_slots > 0 ? std::max<std::int64_t>(0, size_ - window_ + 1) : 0;
  for (std::int64_t position = first; position < size_; position = (position / kPage + 1) * kPage) {
    const auto page = static_cast<std::size_t>((layer.n_slots > 0 ? position % layer.n_slots : position) / kPage);
    if (page >= layer.pages.size() || layer.pages[page] == nullptr) return false;
  }
  return true;
}

std::size_t KvCache::bytes() const {
  std::size_t n = 0;
  for (const Layer& layer : layers_) {
    for (const auto& page : layer.pages) n += page == nullptr ? 0 : page->size();
  }
  return n;
}

std::size_t KvCache::add_pages(std::set<const void*>& seen) const {
  std::size_t n = 0;
  for (const Layer& layer : layers_) {
    for (const auto& page : layer.pages) {
      if (page != nullptr && seen.insert(page.get()).second) n += page->size();
    }
  }
  return n;
}

std::size_t distinct_bytes(std::span<const KvCache* const> caches) {
  std::size_t n = 0;
  std::set<const void*> seen;
  for (const KvCache* cache : caches) n += cache->add_pages(seen);
  return n;
}

}  // namespace toccata::engine
