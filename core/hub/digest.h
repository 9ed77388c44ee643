// What a hub says a file hashes to, and what the bytes on disk hash to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata::hub {

enum class DigestKind { kSha1, kSha256 };

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  void add(std::string_view bytes);
  std::string hex();  // lower case; ends it

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// A hub names a file by the SHA-256 of its bytes (64 digits: files kept in LFS) or by git's object id (40 digits: SHA-1
// of "blob <size>\0" and the bytes).
bool is_content_id(std::string_view id);

// The id that the file has, of the kind that `like` is. kIo, kCancelled.
Result<std::string> content_id(
    const std::filesystem::path& file, std::string_view like, const std::stop_token& stop
);

}  // namespace toccata::hub
