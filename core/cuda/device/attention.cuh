// Attention with sinks and windows over paged keys and values. The keys of a query are cut at fixed positions
// (multiples of kSplit), one block a piece, so the sums are in the same order whatever else is in the batch; a second
// kernel joins the pieces and the sink.
#pragma once

#include "core/cuda/device/kv.cuh"
#include "core/cuda/platform.cuh"

namespace toccata::cuda {

inline constexpr int kSplit = 128;           // keys of a piece: two pages
inline constexpr int kAttentionThreads = 128;
inline constexpr int kAttentionWarps = kAttentionThreads / kWarpSize;
inline constexpr int kGroupMax = 8;          // query heads that share a key head
inline constexpr int kJoinGroups = 4;        // of head_dim threads, each with its share of the pieces

struct AttentionView {
  int n_heads = 0, n_kv_heads = 0;
  int window = 0;    // keys a query sees, its own included; 0 = all before it
  int n_splits = 0;  // pieces there is room for; a query uses split_count() of them
  float* scores_max = nullptr;  // [n, n_heads, n_splits]
  float* scores_sum = nullptr;  // [n, n_heads, n_splits]
  float* sums = nullptr;        // [n, n_heads, n_splits, head_dim]
};

TOCCATA_DEVICE int first_seen(int position, int window) {
  return window > 0 && position + 1 > window ? position + 1 - window : 0;
}
TOCCATA_DEVICE int split_count(int position, int window) {
  return position / kSplit - first_seen(position, window) / kSplit + 1;
}
// The most pieces that a query at `position` or before can have.
inline int split_count_max(int position, int window) {
  if (window == 0) return position / kSplit + 1;
  const int inside = (window + kSplit - 2) / kSplit + 1;
  const int all = position / kSplit + 1;
  return all < inside ? all : inside;
}

inline std::size_t attention_shared_bytes(int head_dim) {
  const int floats = kGroupMax * head_dim + kGroupMax * kSplit + kAttentionWarps * kGroupMax * head_dim;
  return static_cast<std::size_t>(floats) * sizeof(float);
}

//   grid: (n tokens, n_kv_heads, n_splits); block: kAttentionThreads; shared: attention_shared_bytes(kHeadDim)
//   q [n, n_heads, kHeadDim] f32
// Keys: kHeadDim / 8 lanes a key, 8 elements a lane, all heads of the group at once. Values: a warp takes every fourth
// key, a lane kHeadDim / 32 elements of it for all heads; the warps' sums are added at the end.
template <int kHeadDim, class Kv>
TOCCATA_KERNEL void __launch_bounds__(kAttentionThreads)
    attention_piece_kernel(const float* q, BatchView batch, KvLayer<Kv> kv, AttentionView a) {
  constexpr int kLanes = kHeadDim / 8;
  constexpr int kKeysAWarp = kWarpSize / kLanes;
  constexpr int kElements = kHeadDim < kWarpSize ? 1 : kHeadDim / kWarpSize;
  await_earlier_launches();
  const int token = static_cast<int>(blockIdx.x);
  const int kv_head = static_cast<int>(blockIdx.y);
  const int split = static_cast<int>(blockIdx.z);
  const int position = batch.positions[token];
  if (split >= split_count(position, a.window)) return;
  const int group = a.n_heads / a.n_kv_heads;
  const int first = first_seen(position, a.window);
  const int base = (first / kSplit + split) * kSplit;
  const int begin = base > first ? base : first;
  const int end = base + kSplit < position + 1 ? base + kSplit : position + 1;
  const int count = end - begin;
  const auto row = static_cast<std::size_t>(kv.row);

  // A piece is two pages: looked up once. Rows of keys; those of values stand kPagePositions rows further on.
  const int sequence = batch.sequences[token];
  const Kv* pages[2];
  pages[0] = kv.row_at(sequence, base, false) + kv_head * kHeadDim;
  pages[1] = end > base + kPagePositions ? kv.row_at(sequence, base + kPagePositions, false) + kv_head * kHeadDim : pages[0];
  const auto key_at = [&](int i) {
    const int offset = begin - base + i;
    return (offset < kPagePositions ? pages[0] : pages[1]) + static_cast<std::size_t>(offset % kPagePositions) * row;
  };

  TOCCATA_SHARED(float, shared);
  float* query = shared;                          // [group, kHeadDim], scaled
  float* scores = query + kGroupMax * kHeadDim;   // [kSplit, kGroupMax]
  float* parts = scores + kGroupMax * kSplit;     // [kAttentionWarps, kGroupMax, kHeadDim]
  const float* source = q + (static_cast<std::size_t>(token) * static_cast<std::size_t>(a.n_heads) +
                             static_cast<std::size_t>(kv_head * group)) * kHeadDim;
  const float scale = 1.0F / sqrtf(static_cast<float>(kHeadDim));
  for (int i = static_cast<int>(threadIdx.x); i < group * kHeadDim; i += kAttentionThreads) query[i] = source[i] * scale;
  block_sync();

  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int part = lane % kLanes;
  for (int from = warp * kKeysAWarp; from < count; from += kAttentionWarps * kKeysAWarp) {
    const int i = from + lane / kLanes;
    float key[8] = {};
    if (i < count) load_kv8(key_at(i) + 8 * part, key);
    TOCCATA_UNROLL
    for (int g = 0; g < kGroupMax; ++g) {
      if (g >= group) break;
      const float* head = query + g * kHeadDim + 8 * part;
      float sum = 0;
      TOCCATA_UNROLL
      for (int e = 0; e < 8; ++e) sum = fmaf(key[e], head[e], sum);
      TOCCATA_UNROLL
      for (int mask = kLanes / 2; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
      if (part == 0 && i < count) scores[i * kGroupMax + g] = sum;
    }
  }
  block_sync();

  const std::size_t line0 =
      (static_cast<std::size_t>(token) * static_cast<std::size_t>(a.n_heads) + static_cast<std::size_t>(kv_head * group)) *
          static_cast<std::size_t>(a.n_splits) + static_cast<std::size_t>(split);
  for (int g = warp; g < group; g += kAttentionWarps) {
    float top = -INFINITY;
    for (int i = lane; i < count; i += kWarpSize) top = fmaxf(top, scores[i * kGroupMax + g]);
    top = warp_max(top);
    float sum = 0;
    for (int i = lane; i < count; i += kWarpSize) {
      const float weight = expf(scores[i * kGroupMax + g] - top);
      scores[i * kGroupMax + g] = weight;
      sum += weight;
    }
    sum = warp_sum(sum);
    if (lane == 0) {
      a.scores_max[line0 + static_cast<std::size_t>(g * a.n_splits)] = top;
      a.scores_sum[line0 + static_cast<std::size_t>(g * a.n_splits)] = sum;
    }
  }
  block_sync();

  const bool active = lane * kElements < kHeadDim;
  float out[kGroupMax][kElements] = {};
  if (active) {
    TOCCATA_UNROLL_4
    for (int i = warp; i < count; i += kAttentionWarps) {
      float value[kElements];
      load_kv_few(key_at(i) + kPagePositions * row + lane * kElements, value);
      const float4 low = reinterpret_cast<const float4*>(scores)[2 * i];
      const float4 high = reinterpret_cast<const float4*>(scores)[2 * i + 1];
      const float weights[kGroupMax] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      TOCCATA_UNROLL
      for (int g = 0; g < kGroupMax; ++g) {
        TOCCATA_UNROLL
        for (int e = 0; e < kElements; ++e) out[g][e] = fmaf(weights[g], value[e], out[g][e]);
      }
    }
    TOCCATA_UNROLL
    for (int g = 0; g < kGroupMax; ++g) {
      if (g >= group) break;  // what stands in scores beyond the group means nothing
      TOCCATA_UNROLL
      for (int e = 0; e < kElements; ++e) parts[(warp * kGroupMax + g) * kHeadDim + lane * kElements + e] = out[g][e];
    }
  }
  block_sync();
  for (int i = static_cast<int>(threadIdx.x); i < group * kHeadDim; i += kAttentionThreads) {
    float sum = 0;
    TOCCATA_UNROLL
    for (int w = 0; w < kAttentionWarps; ++w) sum += parts[w * kGroupMax * kHeadDim + i];
    a.sums[(line0 + static_cast<std::size_t>(i / kHeadDim * a.n_splits)) * kHeadDim + static_cast<std::size_t>(i % kHeadDim)] = sum;
  }
}

inline std::size_t join_shared_bytes(int head_dim) {
  return static_cast<std::size_t>(kJoinGroups * (head_dim + 1)) * sizeof(float);
}

// The pieces of each query head and its sink -> out [n, n_heads, head_dim].
//   grid: (n tokens, n_heads); block: (head_dim, kJoinGroups); shared: join_shared_bytes(head_dim)
TOCCATA_KERNEL void attention_join_kernel(
    BatchView batch, AttentionView a, const std::uint16_t* sinks, int head_dim, float* out
) {
  await_earlier_launches();
  TOCCATA_SHARED(float, shared);
  float* sums = shared;                             // [kJoinGroups, head_dim]
  float* weights = shared + kJoinGroups * head_dim;  // [kJoinGroups]
  const int element = static_cast<int>(threadIdx.x);
  const int group = static_cast<int>(threadIdx.y);
  const std::size_t head = blockIdx.x * static_cast<std::size_t>(a.n_heads) + blockIdx.y;
  const int n = split_count(batch.positions[blockIdx.x], a.window);
  const std::size_t line = head * static_cast<std::size_t>(a.n_splits);
  const float sink = from_bf16(sinks[blockIdx.y]);
  float top = sink;
  TOCCATA_UNROLL_4
  for (int s = 0; s < n; ++s) top = fmaxf(top, a.scores_max[line + static_cast<std::size_t>(s)]);
  float weight = 0;
  float sum = 0;
  TOCCATA_UNROLL_4
  for (int s = group; s < n; s += kJoinGroups) {
    const std::size_t piece = line + static_cast<std::size_t>(s);
    const float factor = expf(a.scores_max[piece] - top);
    weight = fmaf(factor, a.scores_sum[piece], weight);
    sum = fmaf(factor, a.sums[piece * static_cast<std::size_t>(head_dim) + static_cast<std::size_t>(element)], sum);
  }
  sums[group * head_dim + element] = sum;
  if (element == 0) weights[group] = weight;
  block_sync();
  if (group != 0) return;
  float total = 0;
  float all = expf(sink - top);
  TOCCATA_UNROLL
  for (int g = 0; g < kJoinGroups; ++g) {
    total += sums[g * head_dim + element];
    all += weights[g];
  }
  out[head * static_cast<std::size_t>(head_dim) + static_cast<std::size_t>(element)] = total / all;
}

}  // namespace toccata::cuda
