// The CUDA engine, compiled as C++ for the emulated device.
#include "core/engine/cuda_transformer.cu"  // NOLINT
