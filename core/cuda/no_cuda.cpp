// The CUDA backend of a build without CUDA: small, and honest.
#include "core/cuda/device.h"

namespace toccata::cuda {

Result<std::vector<DeviceInfo>> list_devices() {
  return Error{ErrorCode::kUnavailable, "this build has no CUDA (configure with --preset cuda)"};
}

}  // namespace toccata::cuda
