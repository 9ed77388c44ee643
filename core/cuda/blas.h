// cuBLAS, as far as the engine needs it, loaded when it is first used: the program builds without its headers and runs
// without it, on kernels of its own.
#pragma once

#include <cstdint>

#include "core/base/error.h"

namespace toccata::cuda {

class Blas {
 public:
  // Looks for the library; available() says whether it and a handle are there.
  Blas();
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  bool available() const { return handle_ != nullptr; }

  // out = x W^T, or out += x W^T, summed in f32. Throws Exception on an error of the library.
  //   w [n_out, n_in] bf16, x [n, n_in] bf16, out [n, n_out] f32, all row-major in device memory; `stream`: cudaStream_t
  void multiply(
      const std::uint16_t* w, const std::uint16_t* x, int n, int n_out, int n_in, bool add, float* out, void* stream
  );

 private:
  struct Api;
  static const Api* api();
  void* handle_ = nullptr;
};

}  // namespace toccata::cuda
