#include "agent/task/sha256.h"

#include <openssl/evp.h>

#include "core/base/error.h"

namespace toccata::task {

struct Sha256::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(digest); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  TOCCATA_CHECK(EVP_DigestInit_ex(context_->digest, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(std::string_view part) {
  const std::string length = std::to_string(part.size()) + ":";
  TOCCATA_CHECK(EVP_DigestUpdate(context_->digest, length.data(), length.size()) == 1);
  TOCCATA_CHECK(EVP_DigestUpdate(context_->digest, part.data(), part.size()) == 1);
}

void Sha256::add_bytes(std::string_view bytes) {
  TOCCATA_CHECK(EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::hex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  TOCCATA_CHECK(EVP_DigestFinal_ex(context_->digest, bytes, &n) == 1);
  std::string text;
  for (unsigned int i = 0; i < n; ++i) {
    text += "0123456789abcdef"[bytes[i] >> 4];
    text += "0123456789abcdef"[bytes[i] & 15];
  }
  return text;
}

}  // namespace toccata::task
