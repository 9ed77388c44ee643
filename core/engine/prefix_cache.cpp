#include "core/engine/prefix_cache.h"

#include <algorithm>

#include "core/engine/kv_cache.h"

namespace toccata::engine {
namespace {

constexpr std::int64_t kWorthwhile = 32;  // tokens: what is shorter is read as fast as it is looked up and held
constexpr std::size_t kKeptMax = 256;

std::int64_t common_length(std::span<const Token> a, std::span<const Token> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

}  // namespace

PrefixCache::Start PrefixCache::begin(std::span<const Token> tokens) {
  const std::scoped_lock lock(mutex_);
  Start start;
  if (tokens.empty()) return start;
  const std::span<const Token> head = tokens.first(tokens.size() - 1);
  std::int64_t common_max = 0;
  Kept* best = nullptr;
  for (Kept& kept : kept_) {
    const std::int64_t common = common_length(head, kept.tokens);
    common_max = std::max(common_max, common);
    if (common > start.n_tokens && common >= kWorthwhile && kept.timeline->can_roll_back(common)) {
      start.n_tokens = common;
      best = &kept;
    }
  }
  if (best != nullptr) {
    best->used = ++tick_;
    start.timeline = best->timeline->fork();
    start.timeline->rollback(start.n_tokens);
  }
  if (common_max - start.n_tokens >= kWorthwhile) start.branch = common_max;
  return start;
}

void PrefixCache::keep(std::span<const Token> tokens, const Timeline& timeline) {
  TOCCATA_CHECK(timeline.size() == static_cast<std::int64_t>(tokens.size()));
  if (timeline.size() < kWorthwhile) return;
  const std::scoped_lock lock(mutex_);
  const auto same = std::ranges::find_if(kept_, [&](const Kept& kept) { return std::ranges::equal(kept.tokens, tokens); });
  if (same != kept_.end()) {
    same->used = ++tick_;
    return;
  }
  kept_.push_back({Tokens(tokens.begin(), tokens.end()), timeline.fork(), ++tick_});
  make_room();
}

void PrefixCache::make_room() {
  while (!kept_.empty() && (kept_.size() > kKeptMax || total_bytes() > bytes_max_)) {
    kept_.erase(std::ranges::min_element(kept_, {}, &Kept::used));
  }
}

std::size_t PrefixCache::total_bytes() const {
  std::vector<const KvCache*> on_cpu;
  std::size_t n = 0;
  for (const Kept& kept : kept_) {
    if (const KvCache* cache = kept.timeline->cpu_cache()) {
      on_cpu.push_back(cache);
    } else {
      n += kept.timeline->kv_bytes();
    }
  }
  return n + distinct_bytes(on_cpu);
}

std::size_t PrefixCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return total_bytes();
}

std::size_t PrefixCache::size() const {
  const std::scoped_lock lock(mutex_);
  return kept_.size();
}

}  // namespace toccata::engine
