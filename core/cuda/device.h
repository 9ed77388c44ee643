#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace toccata::cuda {

struct DeviceInfo {
  std::string name;
  std::size_t memory_bytes = 0;
  int sm = 0;  // compute capability, major * 10 + minor: 90 = Hopper
};

// The GPUs the CUDA runtime sees. kUnavailable says why there are none: built without CUDA, no driver, no device.
Result<std::vector<DeviceInfo>> list_devices();

}  // namespace toccata::cuda
