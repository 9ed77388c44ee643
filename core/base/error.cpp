#include "core/base/error.h"

namespace toccata {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kCorrupt: return "corrupt data";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kResourceExhausted: return "resource exhausted";
    case ErrorCode::kPermissionDenied: return "permission denied";
    case ErrorCode::kTimeout: return "timed out";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kIo: return "input/output error";
  }
  return "unknown error";
}

void check_failed(const char* condition, const char* file, int line, const std::string& detail) {
  std::string message = std::string(file) + ":" + std::to_string(line) +
                        ": internal error, please report: CHECK(" + condition + ")";
  if (!detail.empty()) message += ": " + detail;
  throw std::logic_error(message);
}

}  // namespace toccata
