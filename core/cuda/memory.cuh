// Device memory, streams, launches and captured graphs. On the emulated device memory is ordinary memory, a stream does
// everything at once, and a graph is a list of launches and copies with the arguments they were captured with.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/cuda/platform.cuh"

namespace toccata::cuda {

#if defined(__CUDACC__)

class Stream {
 public:
  Stream() { TOCCATA_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void* handle() const { return stream_; }
  void wait() const { TOCCATA_CUDA_CHECK(cudaStreamSynchronize(stream_)); }
  // From here on a launch may begin before the one before it has ended (programmatic dependent launch); its kernel waits
  // in await_earlier_launches(). Does nothing before sm_90.
  void overlap_launches(bool on) { overlapped_ = on && device_sm() >= 90; }
  bool overlapped() const { return overlapped_; }

 private:
  static int device_sm() {
    int device = 0;
    int major = 0;
    TOCCATA_CUDA_CHECK(cudaGetDevice(&device));
    TOCCATA_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    return major * 10;
  }
  cudaStream_t stream_ = nullptr;
  bool overlapped_ = false;
};

template <class... Parameters, class... Arguments>
void launch(
    const Stream& stream, void (*kernel)(Parameters...), Grid grid, Grid block, std::size_t shared_bytes,
    const Arguments&... arguments
) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream.get();
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &overlap;
  config.numAttrs = stream.overlapped() ? 1 : 0;
  TOCCATA_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

inline void* allocate_device(std::size_t bytes) {
  void* memory = nullptr;
  TOCCATA_CUDA_CHECK(cudaMalloc(&memory, bytes));
  return memory;
}
inline void free_device(void* memory) { cudaFree(memory); }
inline void* allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  TOCCATA_CUDA_CHECK(cudaMallocHost(&memory, bytes));
  return memory;
}
inline void free_pinned(void* memory) { cudaFreeHost(memory); }
inline void copy_bytes(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  TOCCATA_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream.get()));
}
inline void zero_bytes(void* at, std::size_t bytes, const Stream& stream) {
  TOCCATA_CUDA_CHECK(cudaMemsetAsync(at, 0, bytes, stream.get()));
}
// Blocks of `kernel` may use this much dynamic shared memory.
template <class Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
  if (bytes <= std::size_t{48} << 10) return;
  TOCCATA_CUDA_CHECK(cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)
  ));
}
// Most dynamic shared memory a block can have on the current device.
inline std::size_t shared_bytes_max() {
  int device = 0;
  int bytes = 0;
  TOCCATA_CUDA_CHECK(cudaGetDevice(&device));
  TOCCATA_CUDA_CHECK(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return static_cast<std::size_t>(bytes);
}

// A sequence of launches, recorded once and replayed with one call.
class Graph {
 public:
  Graph() = default;
  Graph(Graph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }
  ~Graph() {
    if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
  }
  // Throws Exception when something cannot be captured; the stream is as before then.
  static Graph capture(const Stream& stream, const std::function<void()>& launches) {
    cudaGraph_t recorded = nullptr;
    TOCCATA_CUDA_CHECK(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    try {
      launches();
    } catch (...) {
      if (cudaStreamEndCapture(stream.get(), &recorded) == cudaSuccess) cudaGraphDestroy(recorded);
      cudaGetLastError();  // forgets it
      throw;
    }
    TOCCATA_CUDA_CHECK(cudaStreamEndCapture(stream.get(), &recorded));
    Graph graph;
    const cudaError_t status = cudaGraphInstantiate(&graph.graph_, recorded, 0);
    cudaGraphDestroy(recorded);
    TOCCATA_CUDA_CHECK(status);
    return graph;
  }
  void launch(const Stream& stream) const { TOCCATA_CUDA_CHECK(cudaGraphLaunch(graph_, stream.get())); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

#else

class Stream {
 public:
  int get() const { return 0; }
  void* handle() const { return nullptr; }
  void wait() const {}
  void overlap_launches(bool on) { overlapped_ = on; }
  bool overlapped() const { return overlapped_; }
  // Does it now, or, while a graph is captured, when that is replayed: with the arguments that it has now.
  template <class Work>
  void put(Work work) const {
    recorded_ != nullptr ? recorded_->push_back(std::move(work)) : work();
  }
  void record(std::vector<std::function<void()>>* into) const { recorded_ = into; }

 private:
  bool overlapped_ = false;
  mutable std::vector<std::function<void()>>* recorded_ = nullptr;
};

template <class... Parameters, class... Arguments>
void launch(
    const Stream& stream, void (*kernel)(Parameters...), Grid grid, Grid block, std::size_t shared_bytes,
    const Arguments&... arguments
) {
  stream.put([=, overlapped = stream.overlapped(), values = std::tuple<Parameters...>(static_cast<Parameters>(arguments)...)] {
    emulation::launch(grid, block, shared_bytes, [&] { std::apply(kernel, values); }, overlapped);
  });
}
inline void* allocate_device(std::size_t bytes) { return ::operator new(bytes, std::align_val_t{256}); }
inline void free_device(void* memory) { ::operator delete(memory, std::align_val_t{256}); }
inline void* allocate_pinned(std::size_t bytes) { return allocate_device(bytes); }
inline void free_pinned(void* memory) { free_device(memory); }
inline void copy_bytes(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  stream.put([=] { std::memcpy(to, from, bytes); });
}
inline void zero_bytes(void* at, std::size_t bytes, const Stream& stream) {
  stream.put([=] { std::memset(at, 0, bytes); });
}
template <class Kernel>
void allow_shared(Kernel*, std::size_t) {}
inline std::size_t shared_bytes_max() { return std::size_t{227} << 10; }

class Graph {
 public:
  static Graph capture(const Stream& stream, const std::function<void()>& launches) {
    if (emulation::capturing_fails()) throw Exception(ErrorCode::kUnavailable, "the emulated device was told not to capture");
    Graph graph;
    stream.record(&graph.work_);
    try {
      launches();
    } catch (...) {
      stream.record(nullptr);
      throw;
    }
    stream.record(nullptr);
    return graph;
  }
  void launch(const Stream&) const {
    for (const auto& work : work_) work();
  }

 private:
  std::vector<std::function<void()>> work_;
};

#endif

// An array of T in device memory (or, pinned, in host memory that the device copies from at full speed).
// Owns it; contents are not initialised.
template <class T, bool kPinned = false>
class Array {
 public:
  Array() = default;
  explicit Array(std::size_t n)
      : data_(static_cast<T*>(
            kPinned ? allocate_pinned(std::max<std::size_t>(n, 1) * sizeof(T))
                    : allocate_device(std::max<std::size_t>(n, 1) * sizeof(T))
        )),
        n_(n) {}
  Array(Array&& other) noexcept : data_(std::exchange(other.data_, nullptr)), n_(std::exchange(other.n_, 0)) {}
  Array& operator=(Array&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(n_, other.n_);
    return *this;
  }
  ~Array() {
    if (data_ == nullptr) return;
    kPinned ? free_pinned(data_) : free_device(data_);
  }
  T* data() const { return data_; }
  std::size_t size() const { return n_; }
  std::size_t bytes() const { return n_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  std::size_t n_ = 0;
};
template <class T>
using Pinned = Array<T, true>;

// A copy of `values` in device memory, there when it returns.
template <class T>
Array<T> to_device(std::span<const T> values, const Stream& stream) {
  Array<T> array(values.size());
  copy_bytes(array.data(), values.data(), values.size_bytes(), stream);
  stream.wait();
  return array;
}

}  // namespace toccata::cuda
