#include "core/digest/signature.h"

#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/base/base64.h"

namespace toccata {
namespace {

std::string unhex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

std::string bytes_of(std::string text) {  // base64url
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text += '=';
  return from_base64(text).value();
}

std::string pem(const std::string& der) {
  return "-----BEGIN PRIVATE" " KEY-----\n" + base64(der) + "\n-----END PRIVATE" " KEY-----\n";
}

// The keys of RFC 8037 appendix A and RFC 7515 appendix A.3 as PKCS #8.
std::string ed25519_key() { return pem(unhex("302e020100300506032b657004220420") + bytes_of("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")); }
std::string ec_key(const std::string& curve, const std::string& header) {
  return pem(unhex(header) + unhex(curve) + unhex("0427302502010104" "20") + bytes_of("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"));
}
std::string p256_key() { return ec_key("06082a8648ce3d030107", "3041020100301306072a8648ce3d0201"); }

TEST(Signature, Ed25519IsThatOfTheSpecification) {
  const auto key = SigningKey::from_pem(ed25519_key());
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ("EdDSA", key->algorithm());
  EXPECT_EQ("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            base64url(key->sign("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")));
}

TEST(Signature, P256IsTwoNumbersThatItsPublicKeyVerifies) {
  const auto key = SigningKey::from_pem(p256_key());
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ("ES256", key->algorithm());
  const std::string spki = unhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") +
                           bytes_of("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU") + bytes_of("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  const auto* at = reinterpret_cast<const unsigned char*>(spki.data());
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> known(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), &EVP_PKEY_free);
  ASSERT_NE(nullptr, known);
  for (int i = 0; i < 50; ++i) {  // numbers that begin with zeros come up too
    const std::string text = "header." + std::to_string(i), signature = key->sign(text);
    ASSERT_EQ(64U, signature.size());
    const auto* raw = reinterpret_cast<const unsigned char*>(signature.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> numbers(ECDSA_SIG_new(), &ECDSA_SIG_free);
    ASSERT_EQ(1, ECDSA_SIG_set0(numbers.get(), BN_bin2bn(raw, 32, nullptr), BN_bin2bn(raw + 32, 32, nullptr)));
    unsigned char* der = nullptr;
    const int n = i2d_ECDSA_SIG(numbers.get(), &der);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    ASSERT_EQ(1, EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, known.get()));
    EXPECT_EQ(1, EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(n), reinterpret_cast<const unsigned char*>(text.data()), text.size()));
    OPENSSL_free(der);
  }
}

TEST(Signature, OtherKeysAndNoKeysAreRefused) {
  const auto k256 = SigningKey::from_pem(ec_key("06052b8104000a", "303e020100301006072a8648ce3d0201"));
  ASSERT_FALSE(k256);
  EXPECT_EQ(ErrorCode::kUnsupported, k256.error().code);
  for (const std::string& text : {std::string(), std::string("secret words"), pem("no DER"), pem(std::string(200, '\0'))}) {
    const auto none = SigningKey::from_pem(text);
    ASSERT_FALSE(none);
    EXPECT_EQ(ErrorCode::kInvalidArgument, none.error().code);
    EXPECT_EQ(std::string::npos, none.error().message.find("secret words"));
  }
}

}  // namespace
}  // namespace toccata
