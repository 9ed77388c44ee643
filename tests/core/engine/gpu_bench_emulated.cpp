// The GPU benchmark and the engine under it, compiled as C++.
#include "core/engine/cuda_transformer.cu"  // NOLINT
#include "tests/bench/gpu_bench.cu"  // NOLINT
