// Small things that every part of the CUDA engine uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "core/base/error.h"
#include "core/cuda/device/kv.cuh"
#include "core/cuda/memory.cuh"

namespace toccata::engine {
// Named, not anonymous: the tests include these files.
namespace device_side {

using namespace toccata::cuda;  // NOLINT: these files are the device's side of the engine

constexpr int kDecodeMax = 8;  // tokens of a pass that goes the decode way
constexpr int kPartsMax = 3;   // bf16 parts of an exact activation

inline std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
inline std::int64_t pages_for(std::int64_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

// Calls f with the smallest instantiated token count that holds n.
template <class F>
void with_token_count(int n, F f) {
  if (n <= 1) return f(std::integral_constant<int, 1>());
  if (n <= 2) return f(std::integral_constant<int, 2>());
  if (n <= 4) return f(std::integral_constant<int, 4>());
  return f(std::integral_constant<int, kDecodeMax>());
}
template <class F>
void with_head_dim(int head_dim, F f) {
  switch (head_dim) {
    case 16: return f(std::integral_constant<int, 16>());
    case 32: return f(std::integral_constant<int, 32>());
    case 64: return f(std::integral_constant<int, 64>());
    case 128: return f(std::integral_constant<int, 128>());
    default: TOCCATA_CHECK(false, "checked when the model was loaded");
  }
}

[[noreturn]] inline void unsupported(const std::string& what) {
  throw Exception(ErrorCode::kUnsupported, "the CUDA kernels do not have " + what + "; use --device cpu");
}

inline std::size_t free_device_bytes() {
#if defined(__CUDACC__)
  std::size_t free = 0;
  std::size_t total = 0;
  TOCCATA_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
#else
  return std::size_t{64} << 20;
#endif
}

}  // namespace device_side
}  // namespace toccata::engine
