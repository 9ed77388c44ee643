#pragma once

#include <cstring>
#include <string>

namespace toccata::sandbox {

// "Operation not permitted (EPERM)".
inline std::string errno_text(int error) {
  const char* name = strerrorname_np(error);
  return std::string(strerror(error)) + " (" + (name != nullptr ? name : std::to_string(error)) +
         ")";
}

}  // namespace toccata::sandbox
