#pragma once

#include "core/base/error.h"

namespace toccata::ops {

// Where an op runs. Each op's x.cpp checks shapes and switches on it.
enum class Device { kCpu, kCuda };

[[noreturn]] inline void no_kernel(const char* op) {
  throw Exception(
      ErrorCode::kUnavailable, std::string(op) + " has no CUDA kernel in this build; use --device cpu"
  );
}

}  // namespace toccata::ops
