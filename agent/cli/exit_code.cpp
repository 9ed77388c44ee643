#include "agent/cli/exit_code.h"

namespace toccata::cli {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kUnsupported: return kExitUsage;
    case ErrorCode::kResourceExhausted: return kExitLimit;
    case ErrorCode::kPermissionDenied: return 5;
    case ErrorCode::kUnavailable: return kExitUnavailable;
    case ErrorCode::kTimeout: return 124;
    case ErrorCode::kCancelled: return 130;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo: return kExitRunFailed;
  }
  return kExitRunFailed;
}

}  // namespace toccata::cli
