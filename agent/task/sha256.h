// Content hashes of task files and rows, over parts that cannot run into each other.
#pragma once

#include <string>
#include <string_view>

#include "core/digest/digest.h"

namespace toccata::task {

class Sha256 {
 public:
  // One part: its length and its bytes.
  void add(std::string_view part) {
    digest_.add(std::to_string(part.size()) + ":");
    digest_.add(part);
  }
  // Bytes as they are, without their length.
  void add_bytes(std::string_view bytes) { digest_.add(bytes); }
  // 64 hexadecimal digits. Ends it.
  std::string hex() { return digest_.hex(); }

 private:
  Digest digest_{DigestKind::kSha256};
};

}  // namespace toccata::task
