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

std::string Digest::bytes() {
  std::string bytes(EVP_MAX_MD_SIZE, '\0');
  unsigned int n = 0;
  TOCCATA_CHECK(EVP_DigestFinal_ex(context_->digest, reinterpret_cast<unsigned char*>(bytes.data()), &n) == 1);
  bytes.resize(n);
  return bytes;
}

std::string Digest::hex() {
  std::string text;
  for (const unsigned char byte : bytes()) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace toccata
