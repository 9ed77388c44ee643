// SHA-1 and SHA-256 of bytes that come in pieces (OpenSSL).
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace toccata {

enum class DigestKind { kSha1, kSha256 };

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  void add(std::string_view bytes);
  // Each ends it.
  std::string bytes();
  std::string hex();  // lower case

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace toccata
