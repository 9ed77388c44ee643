#include "core/digest/digest.h"

#include <openssl/evp.h>

#include "core/base/error.h"

namespace toccata {

struct Digest::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(digest); }
};

Digest::Digest(DigestKind kind) : context_(std::make_unique<Context>()) {
  const EVP_MD* algorithm = kind == DigestKind::kSha1 ? EVP_sha1() : EVP_sha256();
  TOCCATA_CHECK(EVP_DigestInit_ex(context_->digest, algorithm, nullptr) == 1);
}
Digest::~Digest() = default;

void Digest::add(std::string_view bytes) {
  TOCCATA_CHECK(EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size()) == 1);
}

std::string Digest::hex() {
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

}  // namespace toccata
