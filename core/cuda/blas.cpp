#include "core/cuda/blas.h"

#include <dlfcn.h>

#include <string>

namespace toccata::cuda {
namespace {

// Values of cuBLAS's and CUDA's public enumerations (cublas_api.h, library_types.h).
constexpr int kTranspose = 1;      // CUBLAS_OP_T
constexpr int kPlain = 0;          // CUBLAS_OP_N
constexpr int kF32 = 0;            // CUDA_R_32F
constexpr int kBf16 = 14;          // CUDA_R_16BF
constexpr int kComputeF32 = 68;    // CUBLAS_COMPUTE_32F
constexpr int kDefaultAlgo = -1;   // CUBLAS_GEMM_DEFAULT
constexpr int kAllocFailed = 3;    // CUBLAS_STATUS_ALLOC_FAILED

}  // namespace

struct Blas::Api {
  int (*create)(void**) = nullptr;
  int (*destroy)(void*) = nullptr;
  int (*set_stream)(void*, void*) = nullptr;
  int (*set_workspace)(void*, void*, std::size_t) = nullptr;
  int (*gemm)(
      void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*, void*, int, int,
      int, int
  ) = nullptr;
  const char* (*status_name)(int) = nullptr;

  bool load() {
    void* library = nullptr;
    for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library != nullptr) break;
    }
    if (library == nullptr) return false;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    return find(create, "cublasCreate_v2") && find(destroy, "cublasDestroy_v2") &&
           find(set_stream, "cublasSetStream_v2") && find(set_workspace, "cublasSetWorkspace_v2") && find(gemm, "cublasGemmEx") &&
           find(status_name, "cublasGetStatusName");
  }
};

const Blas::Api* Blas::api() {
  static Api functions;
  static const bool found = functions.load();
  return found ? &functions : nullptr;
}

Blas::Blas() {
  if (api() != nullptr && api()->create(&handle_) != 0) handle_ = nullptr;
}

Blas::~Blas() {
  if (handle_ != nullptr) api()->destroy(handle_);
}

void Blas::check(int status, const char* call) {
  if (status == 0) return;
  throw Exception(
      status == kAllocFailed ? ErrorCode::kResourceExhausted : ErrorCode::kUnavailable,
      std::string(call) + ": " + api()->status_name(status)
  );
}

void Blas::prepare(void* stream, void* workspace, std::size_t bytes) {
  if (handle_ == nullptr) return;
  check(api()->set_stream(handle_, stream), "cublasSetStream");  // which takes an earlier workspace away
  check(api()->set_workspace(handle_, workspace, bytes), "cublasSetWorkspace");
}

void Blas::multiply(
    const std::uint16_t* w, const std::uint16_t* x, int n, int n_out, int n_in, bool add, float* out
) {
  const float one = 1;
  const float beta = add ? 1 : 0;
  // cuBLAS counts by columns: W^T is [n_in, n_out], x^T is [n_in, n].
  check(
      api()->gemm(
          handle_, kTranspose, kPlain, n_out, n, n_in, &one, w, kBf16, n_in, x, kBf16, n_in, &beta, out, kF32, n_out,
          kComputeF32, kDefaultAlgo
      ),
      "cublasGemmEx"
  );
}

}  // namespace toccata::cuda
