#include "core/digest/signature.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>

namespace toccata {
namespace {

constexpr int kRsaBitsMin = 2048;
constexpr std::size_t kPointBytes = 32;
// The object identifier 1.2.840.10045.3.1.7 as it stands in a public key of the curve P-256.
constexpr std::string_view kP256("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10);

// A key with a password is none here: nobody is asked for it.
int no_password(char*, int, int, void*) { return -1; }

std::string public_der(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  const int n = i2d_PUBKEY(key, &bytes);
  if (n <= 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
  OPENSSL_free(bytes);
  return der;
}

std::string algorithm_of(EVP_PKEY* key) {
  switch (EVP_PKEY_base_id(key)) {
    case EVP_PKEY_RSA: return EVP_PKEY_bits(key) >= kRsaBitsMin ? "RS256" : "";
    case EVP_PKEY_EC: return public_der(key).find(kP256) != std::string::npos ? "ES256" : "";
    case EVP_PKEY_ED25519: return "EdDSA";
    default: return "";
  }
}

// RFC 7518 section 3.4: OpenSSL writes the two numbers as a DER sequence.
std::string plain_points(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free
  );
  TOCCATA_CHECK(signature != nullptr);
  std::string bytes(2 * kPointBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(bytes.data());
  const BIGNUM *r = nullptr, *s = nullptr;
  ECDSA_SIG_get0(signature.get(), &r, &s);
  TOCCATA_CHECK(BN_bn2binpad(r, out, kPointBytes) == static_cast<int>(kPointBytes));
  TOCCATA_CHECK(BN_bn2binpad(s, out + kPointBytes, kPointBytes) == static_cast<int>(kPointBytes));
  return bytes;
}

}  // namespace

struct SigningKey::Key {
  explicit Key(EVP_PKEY* taken) : key(taken) {}
  ~Key() { EVP_PKEY_free(key); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  EVP_PKEY* key;
};

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  TOCCATA_CHECK(bio != nullptr);
  EVP_PKEY* read = PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, nullptr);
  ERR_clear_error();
  if (read == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "the private key is none: expected an unencrypted one in PEM (-----BEGIN PRIVATE KEY-----)"};
  }
  auto key = std::make_shared<const Key>(read);
  std::string algorithm = algorithm_of(read);
  if (algorithm.empty()) {
    return Error{ErrorCode::kUnsupported, "the private key is of another kind, expected RSA of at least 2048 bits, P-256 or Ed25519"};
  }
  return SigningKey(std::move(key), std::move(algorithm));
}

std::string SigningKey::sign(std::string_view text) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const EVP_MD* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  TOCCATA_CHECK(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_->key) == 1);
  std::size_t n = 0;
  TOCCATA_CHECK(EVP_DigestSign(context.get(), nullptr, &n, bytes, text.size()) == 1);
  std::string signature(n, '\0');
  TOCCATA_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &n, bytes, text.size()) == 1);
  signature.resize(n);
  return algorithm_ == "ES256" ? plain_points(signature) : signature;
}

}  // namespace toccata
