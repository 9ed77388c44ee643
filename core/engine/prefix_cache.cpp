#include "core/engine/prefix_cache.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/engine/kv_file.h"

namespace toccata::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kWorthwhile = 32;         // tokens: what is shorter is read as fast as it is looked up and held
constexpr std::int64_t kWorthwhileOnDisk = 256;  // likewise
constexpr std::size_t kKeptMax = 256;
constexpr const char* kEnding = ".kv";

std::int64_t common_length(std::span<const Token> a, std::span<const Token> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

PrefixCache::PrefixCache(Limits limits, std::uint64_t model, KvLoader load)
    : limits_(std::move(limits)), model_(model), load_(std::move(load)) {
  if (!limits_.folder.empty()) find_files();
}

void PrefixCache::find_files() {
  std::error_code failure;
  fs::create_directories(limits_.folder, failure);
  fs::permissions(limits_.folder, fs::perms::owner_all, failure);
  for (fs::directory_iterator files(limits_.folder, failure), end; !failure && files != end; files.increment(failure)) {
    const fs::path& file = files->path();
    if (file.extension() != kEnding || !file.filename().string().starts_with(hex(model_))) continue;
    if (auto tokens = read_kv_tokens(file, model_)) kept_.push_back({std::move(*tokens), nullptr, file, 0});
  }
}

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
    if (common <= start.n_tokens || common < kWorthwhile) continue;
    if (kept.kv == nullptr) bring(kept);
    if (kept.kv != nullptr && kept.kv->can_roll_back(common)) {
      start.n_tokens = common;
      best = &kept;
    }
  }
  if (best != nullptr) {
    best->used = ++tick_;
    start.kept = best->kv;
    std::error_code failure;
    if (!best->file.empty()) fs::last_write_time(best->file, fs::file_time_type::clock::now(), failure);  // of use
  }
  if (common_max - start.n_tokens >= kWorthwhile) start.branch = common_max;
  make_room();
  return start;
}

void PrefixCache::keep(std::span<const Token> tokens, std::shared_ptr<const KeptKv> kept, std::int64_t n_new) {
  TOCCATA_CHECK(kept->size() == static_cast<std::int64_t>(tokens.size()));
  if (kept->size() < kWorthwhile) return;
  const std::scoped_lock lock(mutex_);
  const auto same = std::ranges::find_if(kept_, [&](const Kept& other) { return std::ranges::equal(other.tokens, tokens); });
  if (same != kept_.end()) {
    same->used = ++tick_;
    if (same->kv == nullptr) same->kv = std::move(kept);
  } else {
    kept_.push_back({Tokens(tokens.begin(), tokens.end()), std::move(kept), {}, ++tick_});
    if (!limits_.folder.empty() && n_new >= kWorthwhileOnDisk) write(kept_.back());
  }
  make_room();
}

// What cannot be read is forgotten, and read anew by whoever needs it; what there is no room for may come later.
void PrefixCache::bring(Kept& kept) {
  auto kv = read_kv_file(kept.file, model_, load_);
  if (kv) {
    kept.kv = std::move(*kv);
  } else if (kv.error().code != ErrorCode::kResourceExhausted) {
    kept.tokens.clear();
    kept.file.clear();
  }
}

void PrefixCache::write(Kept& kept) {
  const fs::path file = limits_.folder / (hex(model_) + "-" + hex(checksum(std::as_bytes(std::span(kept.tokens)))) + kEnding);
  if (!write_kv_file(file, model_, kept.tokens, *kept.kv)) return;  // a full disk costs no more than the time to read again
  kept.file = file;
  make_room_on_disk();
}

void PrefixCache::make_room() {
  std::erase_if(kept_, [](const Kept& kept) { return kept.kv == nullptr && kept.file.empty(); });
  const auto n_in_memory = [&] { return static_cast<std::size_t>(std::ranges::count_if(kept_, [](const Kept& kept) { return kept.kv != nullptr; })); };
  for (std::size_t n = n_in_memory(); n > 0 && (n > kKeptMax || total_bytes() > limits_.bytes); --n) drop_oldest();
}

bool PrefixCache::drop_oldest() {
  const auto oldest = std::ranges::min_element(kept_, {}, [](const Kept& kept) { return kept.kv != nullptr ? kept.used : UINT64_MAX; });
  if (oldest == kept_.end() || oldest->kv == nullptr) return false;
  oldest->kv.reset();
  if (oldest->file.empty()) kept_.erase(oldest);
  return true;
}

bool PrefixCache::forget_oldest() {
  const std::scoped_lock lock(mutex_);
  return drop_oldest();
}

void PrefixCache::make_room_on_disk() const {
  struct File {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  std::uint64_t total = 0;
  std::error_code failure;
  for (fs::directory_iterator all(limits_.folder, failure), end; !failure && all != end; all.increment(failure)) {
    std::error_code gone;
    if (all->path().extension() != kEnding) continue;
    files.push_back({all->last_write_time(gone), all->file_size(gone), all->path()});
    if (gone) {
      files.pop_back();
    } else {
      total += files.back().bytes;
    }
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (total <= limits_.folder_bytes) return;
    fs::remove(file.path, failure);
    total -= file.bytes;
  }
}

std::size_t PrefixCache::total_bytes() const {
  std::set<const void*> seen;
  std::size_t n = 0;
  for (const Kept& kept : kept_) n += kept.kv != nullptr ? kept.kv->add_pages(seen) : 0;
  return n;
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
