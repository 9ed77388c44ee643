#include "core/engine/cuda_device.h"

namespace toccata::engine {

int default_chunk_tokens(bool exact) { return exact ? 8 : 512; }

std::shared_ptr<const CudaDevice> open_cuda_device(
    std::shared_ptr<const model::Weights>, const Options&
) {
  throw Exception(
      ErrorCode::kUnavailable,
      "this build has no CUDA: configure with --preset cuda where nvcc is, or use --device cpu"
  );
}

}  // namespace toccata::engine
