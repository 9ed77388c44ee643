// What kernels are written against: CUDA under nvcc, the emulated device (emulation.h) under a C++ compiler.
//
// Rules for kernels here: dynamic shared memory only, through TOCCATA_SHARED; warp shuffles through shuffle() and
// shuffle_xor() with the whole warp taking part; launches through launch() (memory.cuh); before a kernel of the decode way
// touches what earlier launches write, every thread of it calls await_earlier_launches().
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "core/cuda/check.h"

#define TOCCATA_KERNEL static __global__  // they stand in headers
#define TOCCATA_DEVICE __device__ __forceinline__
#define TOCCATA_BOTH __host__ __device__ __forceinline__
#define TOCCATA_SHARED(type, name)                        \
  extern __shared__ __align__(16) unsigned char shared_[]; \
  type* name = reinterpret_cast<type*>(shared_)
#define TOCCATA_UNROLL _Pragma("unroll")
#define TOCCATA_UNROLL_4 _Pragma("unroll 4")

namespace toccata::cuda {

using Grid = dim3;
TOCCATA_DEVICE void block_sync() { __syncthreads(); }
TOCCATA_DEVICE void warp_sync() { __syncwarp(); }
TOCCATA_DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xFFFFFFFFU, value, mask); }
TOCCATA_DEVICE int shuffle(int value, int lane) { return __shfl_sync(0xFFFFFFFFU, value, lane); }
TOCCATA_DEVICE int shuffle_xor(int value, int mask) { return __shfl_xor_sync(0xFFFFFFFFU, value, mask); }
TOCCATA_DEVICE float as_float(std::uint32_t bits) { return __uint_as_float(bits); }
TOCCATA_DEVICE std::uint32_t as_bits(float value) { return __float_as_uint(value); }
TOCCATA_DEVICE float from_half(std::uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
TOCCATA_DEVICE unsigned long long double_bits(double value) { return static_cast<unsigned long long>(__double_as_longlong(value)); }
// Launches may begin while the one before still runs (Stream::overlap_launches): this waits for all earlier ones to be
// complete, then lets the next one begin. What no launch writes (weights) may be read before it.
TOCCATA_DEVICE void await_earlier_launches() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
// Asks for the line of 128 bytes at `at` to come into the L2 cache.
TOCCATA_DEVICE void prefetch(const void* at) { asm volatile("prefetch.global.L2 [%0];" ::"l"(at)); }
// 16 bytes from device to shared memory without passing through registers; zeros instead when not `valid`. They are there
// after await_copies<n>(), n being how many of the copies since grouped by end_copies() may still be under way.
TOCCATA_DEVICE void copy_async(void* to, const void* from, bool valid) {
  const auto shared = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  const int n = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(n) : "memory");
}
TOCCATA_DEVICE void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kMayRun>
TOCCATA_DEVICE void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kMayRun) : "memory");
}
// Adds, and tells what stood there before.
TOCCATA_DEVICE int atomic_add(int* at, int value) { return atomicAdd(at, value); }
TOCCATA_DEVICE void atomic_add(unsigned long long* at, unsigned long long value) { atomicAdd(at, value); }
// What this thread wrote before is seen by whoever sees what it writes after.
TOCCATA_DEVICE void memory_fence() { __threadfence(); }
// What another block of the same launch wrote: past the L1 cache.
template <class T>
TOCCATA_DEVICE T load_from_others(const T* at) {
  return __ldcg(at);
}

}  // namespace toccata::cuda

#else

#include <bit>
#include <utility>

#include "core/base/f16.h"
#include "core/cuda/emulation.h"

#define TOCCATA_KERNEL inline
#define TOCCATA_DEVICE inline
#define TOCCATA_BOTH inline
#define TOCCATA_SHARED(type, name) \
  type* name = reinterpret_cast<type*>(::toccata::cuda::emulation::place().shared)
#define TOCCATA_UNROLL
#define TOCCATA_UNROLL_4
#define blockIdx (::toccata::cuda::emulation::place().block_index)
#define threadIdx (::toccata::cuda::emulation::place().thread_index)
#define gridDim (::toccata::cuda::emulation::place().grid)
#define blockDim (::toccata::cuda::emulation::place().block)
#define __launch_bounds__(...)

// The vector types, with the alignment that the device demands of their addresses.
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) uint4 { std::uint32_t x, y, z, w; };
struct alignas(8) uint2 { std::uint32_t x, y; };

namespace toccata::cuda {

using Grid = emulation::Index3;
inline void block_sync() { emulation::block_barrier(); }
inline void warp_sync() { emulation::warp_barrier(); }
inline unsigned lane_here() {
  const emulation::Place& p = emulation::place();
  const auto& t = p.thread_index;
  return (t.x + p.block.x * (t.y + p.block.y * t.z)) % 32;
}
inline float shuffle_xor(float value, int mask) {
  const auto lane = lane_here() ^ static_cast<unsigned>(mask);
  return std::bit_cast<float>(static_cast<std::uint32_t>(emulation::exchange(std::bit_cast<std::uint32_t>(value), lane)));
}
inline int shuffle(int value, int lane) {
  return static_cast<int>(emulation::exchange(static_cast<std::uint32_t>(value), static_cast<unsigned>(lane)));
}
inline int shuffle_xor(int value, int mask) {
  return static_cast<int>(emulation::exchange(static_cast<std::uint32_t>(value), lane_here() ^ static_cast<unsigned>(mask)));
}
inline float as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint32_t as_bits(float value) { return std::bit_cast<std::uint32_t>(value); }
inline float from_half(std::uint16_t bits) { return f16_to_f32(bits); }
inline unsigned long long double_bits(double value) { return std::bit_cast<unsigned long long>(value); }
inline void await_earlier_launches() { emulation::await_earlier_launches(); }
inline void prefetch(const void*) {}
inline void copy_async(void* to, const void* from, bool valid) {
  valid ? std::memcpy(to, from, 16) : std::memset(to, 0, 16);
}
inline void end_copies() {}
template <int>
void await_copies() {}
inline int atomic_add(int* at, int value) { return std::exchange(*at, *at + value); }
inline void atomic_add(unsigned long long* at, unsigned long long value) { *at += value; }
inline void memory_fence() {}
template <class T>
T load_from_others(const T* at) {
  return *at;
}

}  // namespace toccata::cuda

#endif

namespace toccata::cuda {

inline constexpr int kWarpSize = 32;

inline Grid grid(int x, int y = 1, int z = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
}

// Sum and maximum over a warp, the same bits in every lane.
TOCCATA_DEVICE float warp_sum(float value) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}
TOCCATA_DEVICE float warp_max(float value) {
  for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value = fmaxf(value, shuffle_xor(value, mask));
  return value;
}

TOCCATA_DEVICE float bf16_low(std::uint32_t pair) { return as_float(pair << 16); }
TOCCATA_DEVICE float bf16_high(std::uint32_t pair) { return as_float(pair & 0xFFFF0000U); }
TOCCATA_DEVICE float from_bf16(std::uint16_t value) { return as_float(static_cast<std::uint32_t>(value) << 16); }
// Nearest, ties to even. Not for NaN.
TOCCATA_DEVICE std::uint16_t to_bf16_bits(float value) {
  const std::uint32_t bits = as_bits(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace toccata::cuda
