#include "core/cuda/check.h"
#include "core/cuda/device.h"

namespace toccata::cuda {

Result<std::vector<DeviceInfo>> list_devices() {
  try {
    int n = 0;
    TOCCATA_CUDA_CHECK(cudaGetDeviceCount(&n));
    std::vector<DeviceInfo> devices;
    for (int i = 0; i < n; ++i) {
      cudaDeviceProp properties{};
      TOCCATA_CUDA_CHECK(cudaGetDeviceProperties(&properties, i));
      devices.push_back(
          {properties.name, properties.totalGlobalMem, properties.major * 10 + properties.minor}
      );
    }
    return devices;
  } catch (const Exception& e) {
    return e.error();
  }
}

}  // namespace toccata::cuda
