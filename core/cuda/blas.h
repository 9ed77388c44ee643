// cuBLAS, as far as the engine needs it, loaded when it is first used: the program builds without its headers and runs
// without it, on kernels of its own.
#pragma once

#include <cstddef>
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

  // What multiply() works on: `stream` is a cudaStream_t, `workspace` device memory that outlives this, so that its calls can be
  // captured in a graph. Does nothing without the library; throws Exception on an error of it.
  void prepare(void* stream, void* workspace, std::size_t bytes);
  // out = x W^T, or out += x W^T, summed in f32. Throws Exception on an error of the library.
  //   w [n_out, n_in] bf16, x [n, n_in] bf16, out [n, n_out] f32, all row-major in device memory
  void multiply(
      const std::uint16_t* w, const std::uint16_t* x, int n, int n_out, int n_in, bool add, float* out
  );

 private:
  struct Api;
  static const Api* api();
  static void check(int status, const char* call);
  void* handle_ = nullptr;
};

}  // namespace toccata::cuda
