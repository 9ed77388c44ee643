#include "core/ops/attention.h"

#include <algorithm>
#include <cmath>

#include "core/ops/dot.h"

namespace toccata::ops {
namespace {

// Keys are taken in blocks that begin at multiples of this position, wherever the query's own chunk began: the sum is in
// the same order alone, in a batch and after a rollback.
constexpr std::int64_t kBlock = 64;

struct HeadQuery {
  const float* q;  // [head_dim]
  int kv_offset;   // of the head's part of a key row
  float sink;
  std::int64_t position;
};

// One head of one query, streaming: running maximum `top`, running sum, running output.
void attend(const AttentionShape& shape, const HeadQuery& query, const KvView& kv, float* out) {
  const DotKernels& dot = dot_kernels();
  const int d = shape.head_dim;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  const std::int64_t begin =
      shape.window > 0 ? std::max<std::int64_t>(0, query.position - shape.window + 1) : 0;
  float top = query.sink;
  float sum = 1;
  std::fill(out, out + d, 0.0F);
  for (std::int64_t j = begin; j <= query.position;) {
    const std::int64_t end = std::min(query.position + 1, (j / kBlock + 1) * kBlock);
    const int count = static_cast<int>(end - j);
    float scores[kBlock];
    float highest = top;
    for (int i = 0; i < count; ++i) {
      scores[i] = dot.f32(query.q, kv.key(j + i) + query.kv_offset, d) * scale;
      highest = std::max(highest, scores[i]);
    }
    if (highest > top) {
      const float shrink = std::exp(top - highest);
      sum *= shrink;
      for (int i = 0; i < d; ++i) out[i] *= shrink;
      top = highest;
    }
    for (int i = 0; i < count; ++i) {
      const float weight = std::exp(scores[i] - top);
      sum += weight;
      dot.axpy(weight, kv.value(j + i) + query.kv_offset, out, d);
    }
    j = end;
  }
  for (int i = 0; i < d; ++i) out[i] /= sum;
}

}  // namespace

void attention_cpu(
    ThreadPool& threads, const AttentionShape& shape, const float* q, const KvView& kv,
    std::span<const Bf16> sinks, std::int64_t first, int n, float* out
) {
  const int group = shape.n_heads / shape.n_kv_heads;
  const auto n_heads = static_cast<std::size_t>(shape.n_heads);
  threads.parallel_for(static_cast<std::size_t>(n) * n_heads, 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t item = begin; item < end; ++item) {
      const auto token = static_cast<std::int64_t>(item / n_heads);
      const int head = static_cast<int>(item % n_heads);
      const std::size_t offset = item * static_cast<std::size_t>(shape.head_dim);
      const HeadQuery query = {
          q + offset, head / group * shape.head_dim, to_f32(sinks[static_cast<std::size_t>(head)]),
          first + token};
      attend(shape, query, kv, out + offset);
    }
  });
}

void attention(
    Device device, ThreadPool& threads, const AttentionShape& shape, const float* q, const KvView& kv,
    std::span<const Bf16> sinks, std::int64_t first, int n, float* out
) {
  TOCCATA_CHECK(kv.row == shape.n_kv_heads * shape.head_dim);
  TOCCATA_CHECK(sinks.size() == static_cast<std::size_t>(shape.n_heads));
  switch (device) {
    case Device::kCpu: return attention_cpu(threads, shape, q, kv, sinks, first, n, out);
    case Device::kCuda: no_kernel("attention");
  }
}

}  // namespace toccata::ops
