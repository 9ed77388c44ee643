// The GPU benchmark, compiled as C++.
#include "tests/bench/gpu_bench.cu"  // NOLINT
