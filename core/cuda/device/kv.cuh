// How kernels find keys and values: pages of kPagePositions positions in one pool a layer, and a table of page numbers
// for each sequence. Layers that see everything grow page by page; windowed layers are rings.
#pragma once

#include "core/cuda/platform.cuh"

namespace toccata::cuda {

inline constexpr int kPagePositions = 64;

// The tokens of one launch. Arrays in device memory.
struct BatchView {
  const int* sequences = nullptr;  // [n] row of the page tables
  const int* positions = nullptr;  // [n]
  int n = 0;
};

// Storage of keys and values: f32 (exact) or bf16.
TOCCATA_DEVICE void store_kv(float* at, float value) { *at = value; }
TOCCATA_DEVICE void store_kv(std::uint16_t* at, float value) { *at = to_bf16_bits(value); }
TOCCATA_DEVICE float load_kv(const float* at) { return *at; }
TOCCATA_DEVICE float load_kv(const std::uint16_t* at) { return from_bf16(*at); }
// Eight values from a 16-byte aligned address.
TOCCATA_DEVICE void load_kv8(const float* at, float (&out)[8]) {
  const float4 a = reinterpret_cast<const float4*>(at)[0];
  const float4 b = reinterpret_cast<const float4*>(at)[1];
  out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
  out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
}
TOCCATA_DEVICE void load_kv8(const std::uint16_t* at, float (&out)[8]) {
  const uint4 a = *reinterpret_cast<const uint4*>(at);
  out[0] = bf16_low(a.x), out[1] = bf16_high(a.x), out[2] = bf16_low(a.y), out[3] = bf16_high(a.y);
  out[4] = bf16_low(a.z), out[5] = bf16_high(a.z), out[6] = bf16_low(a.w), out[7] = bf16_high(a.w);
}
// One, two or four values, aligned to their size together.
template <int kN>
TOCCATA_DEVICE void load_kv_few(const float* at, float (&out)[kN]) {
  if constexpr (kN == 4) {
    const float4 a = *reinterpret_cast<const float4*>(at);
    out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
  } else if constexpr (kN == 2) {
    const float2 a = *reinterpret_cast<const float2*>(at);
    out[0] = a.x, out[1] = a.y;
  } else {
    out[0] = *at;
  }
}
template <int kN>
TOCCATA_DEVICE void load_kv_few(const std::uint16_t* at, float (&out)[kN]) {
  if constexpr (kN == 4) {
    const uint2 a = *reinterpret_cast<const uint2*>(at);
    out[0] = bf16_low(a.x), out[1] = bf16_high(a.x), out[2] = bf16_low(a.y), out[3] = bf16_high(a.y);
  } else if constexpr (kN == 2) {
    const std::uint32_t a = *reinterpret_cast<const std::uint32_t*>(at);
    out[0] = bf16_low(a), out[1] = bf16_high(a);
  } else {
    out[0] = from_bf16(*at);
  }
}

template <class Kv>
struct KvLayer {
  Kv* pool = nullptr;           // [n_pages, 2, kPagePositions, row]: keys, then values
  const int* tables = nullptr;  // [n_sequences, table_width] page numbers
  int table_width = 0;
  int row = 0;      // n_kv_heads * head_dim
  int n_slots = 0;  // of a ring: position p stands in slot p % n_slots; 0: in slot p

  TOCCATA_DEVICE Kv* row_at(int sequence, int position, bool value) const {
    const int slot = n_slots > 0 ? position % n_slots : position;
    const int page = tables[sequence * table_width + slot / kPagePositions];
    const std::size_t line =
        (static_cast<std::size_t>(page) * 2 + (value ? 1 : 0)) * kPagePositions + static_cast<std::size_t>(slot % kPagePositions);
    return pool + line * static_cast<std::size_t>(row);
  }
};

}  // namespace toccata::cuda
