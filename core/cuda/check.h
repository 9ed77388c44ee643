#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "core/base/error.h"

namespace toccata::cuda {

inline Error runtime_error(cudaError_t status, const char* call) {
  return Error{
      status == cudaErrorMemoryAllocation ? ErrorCode::kResourceExhausted : ErrorCode::kUnavailable,
      std::string(call) + ": " + cudaGetErrorName(status) + ": " + cudaGetErrorString(status)};
}

}  // namespace toccata::cuda

// Every call of the CUDA runtime goes through this: throws Exception naming the call and the error.
#define TOCCATA_CUDA_CHECK(call)                                                      \
  do {                                                                                \
    const cudaError_t status_ = (call);                                               \
    if (status_ != cudaSuccess) {                                                     \
      throw ::toccata::Exception(                                                     \
          ::toccata::cuda::runtime_error(status_, #call)                              \
      );                                                                              \
    }                                                                                 \
  } while (false)
