// What bounds a device: the rate at which it copies its own memory, and its nominal rate of multiplications.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/cuda/memory.cuh"

namespace toccata::cuda {

// Bytes a second of device-to-device copies of n bytes, reads and writes counted; the median of seven.
inline double copy_bandwidth(std::size_t n) {
  const Stream stream;
  const Array<std::byte> a(n);
  const Array<std::byte> b(n);
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i) {
    stream.wait();
    const auto start = std::chrono::steady_clock::now();
    for (int j = 0; j < 4; ++j) copy_bytes(a.data(), b.data(), n, stream);
    stream.wait();
    rates.push_back(8.0 * static_cast<double>(n) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() / 2];
}

// bf16 multiplications and additions a second on the tensor cores with f32 sums, dense, as the vendor's data sheets give
// them; 0: not known.
inline double tensor_flops() {
#if defined(__CUDACC__)
  int device = 0, major = 0, minor = 0, n_sm = 0, khz = 0;
  TOCCATA_CUDA_CHECK(cudaGetDevice(&device));
  TOCCATA_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  TOCCATA_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  TOCCATA_CUDA_CHECK(cudaDeviceGetAttribute(&n_sm, cudaDevAttrMultiProcessorCount, device));
  TOCCATA_CUDA_CHECK(cudaDeviceGetAttribute(&khz, cudaDevAttrClockRate, device));
  const int sm = 10 * major + minor;
  const double a_clock = sm == 80 ? 2048 : sm == 90 ? 4096 : sm == 100 || sm == 103 ? 8192 : sm == 86 || sm == 89 || sm == 120 ? 512 : 0;
  return a_clock * n_sm * khz * 1e3;
#else
  return 0;
#endif
}

}  // namespace toccata::cuda
