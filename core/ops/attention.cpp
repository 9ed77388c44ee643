#include "core/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/ops/attend.h"

namespace toccata::ops {
namespace {

// Keys are taken in blocks that begin at multiples of this position, wherever the query's own chunk began: the sum is in
// the same order alone, in a batch and after a rollback.
constexpr std::int64_t kBlock = 64;

// What one thread needs for a token and a key head: sized once, then used again.
struct Scratch {
  std::vector<float> scores;  // [group, kBlock]
  std::vector<float> rows;    // [kBlock, head_dim], of keys, then of values, unless they are f32 already
  std::vector<float> top, sum;  // [group] running maximum and sum

  void fit(int group, int head_dim) {
    const auto n = static_cast<std::size_t>(group);
    scores.resize(std::max(scores.size(), n * kBlock));
    rows.resize(std::max(rows.size(), static_cast<std::size_t>(kBlock * head_dim)));
    top.resize(std::max(top.size(), n));
    sum.resize(std::max(sum.size(), n));
  }
};

// The query heads of one token that share a key head.
struct GroupQuery {
  const float* q;     // [group, head_dim]
  const Bf16* sinks;  // [group]
  int n_heads;
  int kv_head;
  std::int64_t position;
};

// One head's keys or values of positions [first, first + count), which lie in one page, in f32.
class HeadRows {
 public:
  HeadRows(const KvView& kv, int head, std::vector<float>& scratch) : kv_(kv), head_(head), scratch_(scratch) {}

  void read(std::span<std::byte* const> pages, std::int64_t first, int count) {
    const std::byte* packed = kv_.at(pages, first, head_);
    const float* row = reinterpret_cast<const float*>(packed);
    if (kv_.format.type != KvType::kF32) {
      kv_.format.unpack_heads(packed, count, scratch_.data());
      row = scratch_.data();
    }
    for (int i = 0; i < count; ++i) rows_[i] = row + i * kv_.format.head_dim;
  }
  const float* const* rows() const { return rows_; }

  // Asks the memory for what will be read next, while there is something to compute.
  void ask_for(std::span<std::byte* const> pages, std::int64_t first, int count) const {
    const std::byte* packed = kv_.at(pages, first, head_);
    const std::size_t bytes = static_cast<std::size_t>(count) * kv_.format.head_bytes();
    for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(packed + at, 0, 2);
  }

 private:
  const KvView& kv_;
  const int head_;
  std::vector<float>& scratch_;
  const float* rows_[kBlock];
};

// Streaming: running maximum, running sum, running output out [group, head_dim] of each head.
void attend(const AttentionShape& shape, const GroupQuery& query, const KvView& kv, Scratch& scratch, float* out) {
  const AttendKernels& kernels = attend_kernels();
  const int d = shape.head_dim;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  scratch.fit(query.n_heads, d);
  float* const top = scratch.top.data();
  float* const sum = scratch.sum.data();
  for (int head = 0; head < query.n_heads; ++head) {
    top[head] = to_f32(query.sinks[head]);
    sum[head] = 1;
  }
  std::fill(out, out + query.n_heads * d, 0.0F);
  HeadRows rows(kv, query.kv_head, scratch.rows);
  for (std::int64_t j = shape.window > 0 ? std::max<std::int64_t>(0, query.position - shape.window + 1) : 0;
       j <= query.position;) {
    const std::int64_t end = std::min(query.position + 1, (j / kBlock + 1) * kBlock);
    const int count = static_cast<int>(end - j);
    rows.read(kv.key_pages, j, count);
    rows.ask_for(kv.value_pages, j, count);
    for (int head = 0; head < query.n_heads; ++head) {
      float* const scores = scratch.scores.data() + head * kBlock;
      kernels.score(query.q + head * d, rows.rows(), count, d, scale, scores);
      float highest = top[head];
      for (int i = 0; i < count; ++i) highest = std::max(highest, scores[i]);
      if (highest > top[head]) {
        const float shrink = std::exp(top[head] - highest);
        sum[head] *= shrink;
        for (int i = 0; i < d; ++i) out[head * d + i] *= shrink;
        top[head] = highest;
      }
    }
    rows.read(kv.value_pages, j, count);
    if (end <= query.position) rows.ask_for(kv.key_pages, end, static_cast<int>(std::min(kBlock, query.position + 1 - end)));
    for (int head = 0; head < query.n_heads; ++head) {
      float* const weights = scratch.scores.data() + head * kBlock;
      sum[head] += kernels.weigh(weights, count, top[head]);
      kernels.gather(weights, rows.rows(), count, d, out + head * d);
    }
    j = end;
  }
  for (int head = 0; head < query.n_heads; ++head) {
    for (int i = 0; i < d; ++i) out[head * d + i] /= sum[head];
  }
}

}  // namespace

void attention_cpu(
    ThreadPool& threads, const AttentionShape& shape, const float* q, const KvView& kv,
    std::span<const Bf16> sinks, std::int64_t first, int n, float* out
) {
  const int group = shape.n_heads / shape.n_kv_heads;
  const auto n_groups = static_cast<std::size_t>(shape.n_kv_heads);
  threads.parallel_for(static_cast<std::size_t>(n) * n_groups, 1, [&](std::size_t begin, std::size_t end) {
    thread_local Scratch scratch;
    for (std::size_t item = begin; item < end; ++item) {
      const int kv_head = static_cast<int>(item % n_groups);
      const std::size_t offset = item * static_cast<std::size_t>(group * shape.head_dim);
      const GroupQuery query = {
          q + offset, sinks.data() + kv_head * group, group, kv_head, first + static_cast<std::int64_t>(item / n_groups)};
      attend(shape, query, kv, scratch, out + offset);
    }
  });
}

void attention(
    Device device, ThreadPool& threads, const AttentionShape& shape, const float* q, const KvView& kv,
    std::span<const Bf16> sinks, std::int64_t first, int n, float* out
) {
  TOCCATA_CHECK(kv.page_positions % kBlock == 0 && kv.n_slots % kv.page_positions == 0);
  TOCCATA_CHECK(kv.format.n_heads == shape.n_kv_heads && kv.format.head_dim == shape.head_dim);
  TOCCATA_CHECK(sinks.size() == static_cast<std::size_t>(shape.n_heads));
  switch (device) {
    case Device::kCpu: return attention_cpu(threads, shape, q, kv, sinks, first, n, out);
    case Device::kCuda: no_kernel("attention");
  }
}

}  // namespace toccata::ops
