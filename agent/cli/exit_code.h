// The exit codes scripts rely on.
//   0 done · 1 run failed · 2 usage or configuration · 3 assertion failed · 4 budget or turn limit · 5 denied ·
//   6 tool or sandbox unavailable · 7 model or engine error · 8 output schema unmet · 124 time-out · 130/143 signals
#pragma once

#include "core/base/error.h"

namespace toccata::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitRunFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitLimit = 4;
inline constexpr int kExitUnavailable = 6;
inline constexpr int kExitModel = 7;

// For errors before a run has begun; a run's own exit code comes with its outcome.
int exit_code(ErrorCode code);

}  // namespace toccata::cli
