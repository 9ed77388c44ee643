// The experts of many tokens: slots (token, rank) are ordered by expert, and each expert's matrix is multiplied with all
// of its slots on the tensor cores, the blocks decoded once for kTileSlots of them.
//
// Activations are bf16 in `kParts` parts whose sum is the f32 value (1: rounded; 3: exact to the last bit or two), so
// one kernel serves the fast and the exact mode.
#pragma once

#include <type_traits>

#include "core/cuda/device/dense.cuh"
#include "core/cuda/device/mma.cuh"
#include "core/cuda/device/mxfp4.cuh"

namespace toccata::cuda {

inline constexpr int kTileSlots = 64;
inline constexpr int kTileRows = 64;
inline constexpr int kTileDepth = 64;  // elements of n_in taken into shared memory at once
inline constexpr int kBatchThreads = 128;
// Room a slot has in shared memory, in uint4: 8 of data; 12 put the two slots of a quarter-warp on different banks.
inline constexpr int kSlotStride = 12;

// Slots ordered by expert, in order within each, and cut into tiles.
struct Plan {
  int* order = nullptr;        // [n_slots]
  int* tile_expert = nullptr;  // [tiles_max()]
  int* tile_begin = nullptr;   // [tiles_max()] first entry of `order`
  int* tile_end = nullptr;     // [tiles_max()]
  int* n_tiles = nullptr;      // [1]
};
inline int tiles_max(int n_slots, int n_experts) {
  return n_slots / kTileSlots + (n_slots < n_experts ? n_slots : n_experts);
}

//   grid: (1); block: n_experts rounded up to a warp; shared: (n_slots + n_experts + 1) ints
TOCCATA_KERNEL void plan_kernel(const int* experts, int n_slots, int n_experts, Plan plan) {
  TOCCATA_SHARED(int, of_slot);
  int* first = of_slot + n_slots;  // [n_experts + 1]
  const int e = static_cast<int>(threadIdx.x);
  for (int i = e; i < n_slots; i += static_cast<int>(blockDim.x)) of_slot[i] = experts[i];
  block_sync();
  if (e < n_experts) {
    int count = 0;
    for (int i = 0; i < n_slots; ++i) count += of_slot[i] == e;
    first[e + 1] = count;
  }
  block_sync();
  if (e == 0) {
    first[0] = 0;
    for (int i = 0; i < n_experts; ++i) first[i + 1] += first[i];
    int n = 0;
    for (int i = 0; i < n_experts; ++i) {
      for (int begin = first[i]; begin < first[i + 1]; begin += kTileSlots, ++n) {
        plan.tile_expert[n] = i;
        plan.tile_begin[n] = begin;
        plan.tile_end[n] = begin + kTileSlots < first[i + 1] ? begin + kTileSlots : first[i + 1];
      }
    }
    *plan.n_tiles = n;
  }
  block_sync();
  if (e < n_experts) {
    int at = first[e];
    for (int i = 0; i < n_slots; ++i) {
      if (of_slot[i] == e) plan.order[at++] = i;
    }
  }
}

// x [n, width] f32 -> parts [kParts, n, width] bf16 with x = sum of the parts. With kShuffled each eight elements stand
// in the order 0 4 1 5 2 6 3 7, that of mxfp4_bf16_pair().   grid: any x; block: any; width a multiple of 8
template <int kParts, bool kShuffled>
TOCCATA_KERNEL void split_kernel(const float* x, std::size_t n_values, std::uint16_t* parts) {
  const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < n_values; i += stride) {
    const std::size_t e = i % 8;
    const std::size_t to = kShuffled ? i - e + (e < 4 ? 2 * e : 2 * e - 7) : i;
    float rest = x[i];
    TOCCATA_UNROLL
    for (int part = 0; part < kParts; ++part) {
      const std::uint16_t bits = to_bf16_bits(rest);
      parts[static_cast<std::size_t>(part) * n_values + to] = bits;
      rest -= from_bf16(bits);
    }
  }
}

// The product of 64 rows of a matrix with 64 lines of x, on the tensor cores: the heart of every many-token product.
//
// A warp owns 16 rows (its lane 4g + i sees rows row0 = first + g and row0 + 8) and all 64 lines. n_in is walked in steps
// of 32 elements, of which lane i takes elements 8i .. 8i + 7, in the order 0 4 1 5 2 6 3 7 of split_kernel<., true>.
// While one tile of lines is multiplied the next comes in from memory, and the rows' next words with it.
//   line_of(slot)      the line of x in slot 0 .. n_lines - 1
//   fetch(step, raw)   asks for what the lane needs of its two rows in a step
//   decode(raw, a)     a[0..1][r], a[0..1][r + 2]: the lane's four pairs of row row0 + 8r
//   scales(raw, by)    with kScaled: what the products of the step's 32 elements are multiplied by, row by row
//   parts [kParts, n_values / n_in, n_in] bf16; tiles: shared memory, tile_shared_bytes(kParts)
constexpr std::size_t tile_shared_bytes(int parts) {
  return 2 * static_cast<std::size_t>(parts) * kTileSlots * kSlotStride * sizeof(uint4);
}
template <int kParts, bool kScaled, class Raw, class LineOf, class Fetch, class Decode, class Scales>
TOCCATA_DEVICE void tile_product(
    const std::uint16_t* parts, std::size_t n_values, int n_in, int n_lines, LineOf line_of, Fetch fetch, Decode decode,
    [[maybe_unused]] Scales scales,
    uint4* tiles, float (&sums)[kTileSlots / 8][4]
) {
  constexpr int kSteps = kTileDepth / 32;
  const int thread = static_cast<int>(threadIdx.x);
  const int g = thread % kWarpSize / 4;
  const int i = thread % 4;
  const auto n_vec_at = [&](int k0) { return n_in - k0 < kTileDepth ? (n_in - k0) / 8 : kTileDepth / 8; };
  const auto load = [&](int k0, uint4* tile) {
    const int n_vec = n_vec_at(k0);
    for (int part = 0; part < kParts; ++part) {
      for (int j = thread; j < kTileSlots * n_vec; j += kBatchThreads) {
        const int slot = j / n_vec;
        const int vec = j % n_vec;
        const bool valid = slot < n_lines;
        const std::uint16_t* from = parts + static_cast<std::size_t>(part) * n_values +
                                    static_cast<std::size_t>(line_of(valid ? slot : 0)) * static_cast<std::size_t>(n_in) +
                                    static_cast<std::size_t>(k0 + 8 * vec);
        copy_async(tile + (part * kTileSlots + slot) * kSlotStride + vec, from, valid);
      }
    }
    end_copies();
  };
  Raw raw[kSteps];
  load(0, tiles);
  TOCCATA_UNROLL
  for (int step = 0; step < kSteps; ++step) {
    if (step < n_vec_at(0) / 4) fetch(step, raw[step]);
  }
  int stage = 0;
  for (int k0 = 0; k0 < n_in; k0 += kTileDepth, stage ^= 1) {
    uint4* tile = tiles + stage * kParts * kTileSlots * kSlotStride;
    const int n_steps = n_vec_at(k0) / 4;
    const bool more = k0 + kTileDepth < n_in;
    Raw next[kSteps];
    if (more) {
      load(k0 + kTileDepth, tiles + (stage ^ 1) * kParts * kTileSlots * kSlotStride);
      TOCCATA_UNROLL
      for (int step = 0; step < kSteps; ++step) {
        if (step < n_vec_at(k0 + kTileDepth) / 4) fetch((k0 + kTileDepth) / 32 + step, next[step]);
      }
      await_copies<1>();
    } else {
      await_copies<0>();
    }
    block_sync();
    TOCCATA_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      if (step >= n_steps) break;
      std::uint32_t a[2][4];
      decode(raw[step], a);
      if constexpr (kScaled) {
        float by[2];
        scales(raw[step], by);
        TOCCATA_UNROLL
        for (int column = 0; column < kTileSlots / 8; ++column) {
          if (column * 8 >= n_lines) break;
          float products[4] = {};
          TOCCATA_UNROLL
          for (int part = 0; part < kParts; ++part) {
            const uint4 x = tile[(part * kTileSlots + column * 8 + g) * kSlotStride + step * 4 + i];
            const std::uint32_t first[2] = {x.x, x.y};
            const std::uint32_t second[2] = {x.z, x.w};
            mma_bf16(products, a[0], first);
            mma_bf16(products, a[1], second);
          }
          TOCCATA_UNROLL
          for (int e = 0; e < 4; ++e) sums[column][e] = fmaf(products[e], by[e / 2], sums[column][e]);
        }
      } else {
        TOCCATA_UNROLL
        for (int part = 0; part < kParts; ++part) {
          TOCCATA_UNROLL
          for (int column = 0; column < kTileSlots / 8; ++column) {
            if (column * 8 >= n_lines) break;  // a tile that is not full costs what it holds
            const uint4 x = tile[(part * kTileSlots + column * 8 + g) * kSlotStride + step * 4 + i];
            const std::uint32_t first[2] = {x.x, x.y};
            const std::uint32_t second[2] = {x.z, x.w};
            mma_bf16(sums[column], a[0], first);
            mma_bf16(sums[column], a[1], second);
          }
        }
      }
    }
    block_sync();
    TOCCATA_UNROLL
    for (int step = 0; step < kSteps; ++step) raw[step] = next[step];
  }
}

// out of slot s = W of its expert * x[s / divisor] + b; with kGateUp the rows alternate gate and up, and swiglu of each
// pair comes out.
//   grid: (n_out / kTileRows rounded up, tiles_max); block: kBatchThreads; shared: tile_shared_bytes(kParts)
//   parts [kParts, n_x, n_in] bf16, shuffled; out [n_slots, n_out / 2 (kGateUp) or n_out] f32
template <int kParts, bool kGateUp>
TOCCATA_KERNEL void __launch_bounds__(kBatchThreads) experts_kernel(
    const std::uint16_t* parts, std::size_t n_values, int divisor, Plan plan, Experts w, float limit, float* out
) {
  if (static_cast<int>(blockIdx.y) >= *plan.n_tiles) return;
  TOCCATA_SHARED(uint4, tile);
  const int* order = plan.order + plan.tile_begin[blockIdx.y];
  const int n_slots = plan.tile_end[blockIdx.y] - plan.tile_begin[blockIdx.y];
  const std::size_t n_out = static_cast<std::size_t>(w.n_out);
  const std::size_t first_row = static_cast<std::size_t>(plan.tile_expert[blockIdx.y]) * n_out;
  const int thread = static_cast<int>(threadIdx.x);
  const int i = thread % 4;
  const int row0 = static_cast<int>(blockIdx.x) * kTileRows + thread / kWarpSize * 16 + thread % kWarpSize / 4;
  const std::size_t n_blocks = static_cast<std::size_t>(w.n_in / 32);

  float sums[kTileSlots / 8][4] = {};
  struct Raw {
    std::uint32_t codes[2];
    std::uint8_t scales[2];
  };
  tile_product<kParts, false, Raw>(
      parts, n_values, w.n_in, n_slots, [&](int slot) { return order[slot] / divisor; },
      [&](int step, Raw& raw) {
        TOCCATA_UNROLL
        for (int r = 0; r < 2; ++r) {
          raw.codes[r] = 0;
          raw.scales[r] = 127;
          if (row0 + 8 * r < w.n_out) {
            const std::size_t at = (first_row + static_cast<std::size_t>(row0 + 8 * r)) * n_blocks + static_cast<std::size_t>(step);
            raw.codes[r] = reinterpret_cast<const std::uint32_t*>(w.blocks)[4 * at + static_cast<std::size_t>(i)];
            raw.scales[r] = w.scales[at];
          }
        }
      },
      [](const Raw& raw, std::uint32_t (&a)[2][4]) {
        TOCCATA_UNROLL
        for (int r = 0; r < 2; ++r) {
          a[0][r] = mxfp4_bf16_pair(raw.codes[r], 0, raw.scales[r]);
          a[0][r + 2] = mxfp4_bf16_pair(raw.codes[r], 1, raw.scales[r]);
          a[1][r] = mxfp4_bf16_pair(raw.codes[r], 2, raw.scales[r]);
          a[1][r + 2] = mxfp4_bf16_pair(raw.codes[r], 3, raw.scales[r]);
        }
      },
      0, tile, sums
  );
  TOCCATA_UNROLL
  for (int column = 0; column < kTileSlots / 8; ++column) {
    TOCCATA_UNROLL
    for (int e = 0; e < 4; ++e) {
      const int row = row0 + (e >= 2 ? 8 : 0);
      const int slot_in_tile = column * 8 + 2 * i + e % 2;
      const bool there = row < w.n_out && slot_in_tile < n_slots;
      const float value = sums[column][e] + (row < w.n_out ? from_bf16(w.bias[first_row + static_cast<std::size_t>(row)]) : 0.0F);
      // The up row of a gate row is the same place of the next four lanes.
      const float up = kGateUp ? shuffle_xor(value, 4) : 0.0F;
      if (!there || (kGateUp && row % 2 != 0)) continue;
      const std::size_t slot = static_cast<std::size_t>(order[slot_in_tile]);
      if (kGateUp) {
        out[slot * (n_out / 2) + static_cast<std::size_t>(row / 2)] = swiglu(value, up, limit);
      } else {
        out[slot * n_out + static_cast<std::size_t>(row)] = value;
      }
    }
  }
}

// What a lane needs of its two rows of a dense layer in a step, and its pairs in the order of split_kernel<., true>.
struct DenseWords {
  uint4 words[2];
};
TOCCATA_DEVICE void fetch_dense(const Dense& w, int row0, int i, int step, DenseWords& raw) {
  TOCCATA_UNROLL
  for (int r = 0; r < 2; ++r) {
    raw.words[r] = {0, 0, 0, 0};
    if (row0 + 8 * r >= w.n_out) continue;
    const std::uint16_t* row = w.weight + static_cast<std::size_t>(row0 + 8 * r) * static_cast<std::size_t>(w.n_in);
    raw.words[r] = *reinterpret_cast<const uint4*>(row + static_cast<std::size_t>(32 * step + 8 * i));
  }
}
TOCCATA_DEVICE void decode_dense(const DenseWords& both, std::uint32_t (&a)[2][4]) {
  TOCCATA_UNROLL
  for (int r = 0; r < 2; ++r) {
    const uint4& raw = both.words[r];
    a[0][r] = (raw.x & 0xFFFFU) | raw.z << 16;          // elements 0 4
    a[0][r + 2] = raw.x >> 16 | (raw.z & 0xFFFF0000U);  // 1 5
    a[1][r] = (raw.y & 0xFFFFU) | raw.w << 16;          // 2 6
    a[1][r + 2] = raw.y >> 16 | (raw.w & 0xFFFF0000U);  // 3 7
  }
}

// The same in eight bits: codes are whole numbers that bf16 holds, their scale comes after the product.
struct Q8Words {
  uint2 words[2];
  std::uint16_t scales[2];
};
TOCCATA_DEVICE void fetch_dense(const Dense& w, int row0, int i, int step, Q8Words& raw) {
  TOCCATA_UNROLL
  for (int r = 0; r < 2; ++r) {
    raw.words[r] = {0, 0};
    raw.scales[r] = 0;
    if (row0 + 8 * r >= w.n_out) continue;
    const std::size_t first = static_cast<std::size_t>(row0 + 8 * r) * static_cast<std::size_t>(w.n_in) + static_cast<std::size_t>(32 * step);
    raw.words[r] = *reinterpret_cast<const uint2*>(w.codes + first + static_cast<std::size_t>(8 * i));
    raw.scales[r] = w.scales[first / 32];
  }
}
TOCCATA_DEVICE void decode_dense(const Q8Words& both, std::uint32_t (&a)[2][4]) {
  const auto pair = [](const uint2& raw, int j) {
    return to_bf16_bits(q8_value(raw.x, j)) | static_cast<std::uint32_t>(to_bf16_bits(q8_value(raw.y, j))) << 16;
  };
  TOCCATA_UNROLL
  for (int r = 0; r < 2; ++r) {
    a[0][r] = pair(both.words[r], 0);
    a[0][r + 2] = pair(both.words[r], 1);
    a[1][r] = pair(both.words[r], 2);
    a[1][r + 2] = pair(both.words[r], 3);
  }
}

// out = W x + b, or out += W x + b, of a dense layer: what runs where cuBLAS is not, or weights are in eight bits.
//   grid: (n_out / kTileRows rounded up, n / kTileSlots rounded up); block: kBatchThreads; shared: tile_shared_bytes(kParts)
//   parts [kParts, n, n_in] bf16, shuffled, n_in a multiple of 32; out [n, n_out] f32
template <int kParts, bool kQ8>
TOCCATA_KERNEL void __launch_bounds__(kBatchThreads)
    dense_batch_kernel(const std::uint16_t* parts, int n, Dense w, bool add, float* out) {
  TOCCATA_SHARED(uint4, tile);
  using Raw = std::conditional_t<kQ8, Q8Words, DenseWords>;
  const int line0 = static_cast<int>(blockIdx.y) * kTileSlots;
  const int n_lines = n - line0 < kTileSlots ? n - line0 : kTileSlots;
  const int thread = static_cast<int>(threadIdx.x);
  const int i = thread % 4;
  const int row0 = static_cast<int>(blockIdx.x) * kTileRows + thread / kWarpSize * 16 + thread % kWarpSize / 4;
  float sums[kTileSlots / 8][4] = {};
  tile_product<kParts, kQ8, Raw>(
      parts, static_cast<std::size_t>(n) * static_cast<std::size_t>(w.n_in), w.n_in, n_lines, [&](int slot) { return line0 + slot; },
      [&](int step, Raw& raw) { fetch_dense(w, row0, i, step, raw); },
      [](const Raw& raw, std::uint32_t (&a)[2][4]) { decode_dense(raw, a); },
      [](const auto& raw, float (&by)[2]) {
        by[0] = from_half(raw.scales[0]);
        by[1] = from_half(raw.scales[1]);
      },
      tile, sums
  );
  for (int column = 0; column < kTileSlots / 8; ++column) {
    for (int e = 0; e < 4; ++e) {
      const int row = row0 + (e >= 2 ? 8 : 0);
      const int line = line0 + column * 8 + 2 * i + e % 2;
      if (row >= w.n_out || line >= n) continue;
      float& y = out[static_cast<std::size_t>(line) * static_cast<std::size_t>(w.n_out) + static_cast<std::size_t>(row)];
      const float value = sums[column][e] + bias_at(w, row);
      y = add ? y + value : value;
    }
  }
}

// x[token] += sum over its slots, best first, of weight * y[slot].   grid: (n tokens); block: any
TOCCATA_KERNEL void combine_kernel(const float* y, const float* weights, int k, int hidden, float* x) {
  const std::size_t width = static_cast<std::size_t>(hidden);
  const std::size_t first = blockIdx.x * static_cast<std::size_t>(k);
  for (std::size_t i = threadIdx.x; i < width; i += blockDim.x) {
    float total = 0;
    for (int rank = 0; rank < k; ++rank) {
      const std::size_t slot = first + static_cast<std::size_t>(rank);
      total = fmaf(weights[slot], y[slot * width + i], total);
    }
    x[blockIdx.x * width + i] += total;
  }
}

}  // namespace toccata::cuda
