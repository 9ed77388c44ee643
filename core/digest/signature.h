// Signatures of JSON Web Signatures (RFC 7518) with a private key of the user's (OpenSSL).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace toccata {

// A value that cannot be written out again; any number of threads may sign with it.
class SigningKey {
 public:
  // PEM of an unencrypted private key. kInvalidArgument: it is none; kUnsupported: neither RSA of at least 2048 bits, nor the
  // curve P-256, nor Ed25519. Errors hold nothing of the text.
  static Result<SigningKey> from_pem(std::string_view pem);

  // "RS256", "ES256" or "EdDSA".
  const std::string& algorithm() const { return algorithm_; }
  // The bytes of the signature as a JWS carries them: of ES256 r and s, 32 bytes each.
  std::string sign(std::string_view text) const;

 private:
  struct Key;
  SigningKey(std::shared_ptr<const Key> key, std::string algorithm) : key_(std::move(key)), algorithm_(std::move(algorithm)) {}
  std::shared_ptr<const Key> key_;
  std::string algorithm_;
};

}  // namespace toccata
