#include "agent/server/token_seal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "core/base/base64.h"

namespace toccata::server {
namespace {

constexpr std::string_view kPrefix = "tocc1.";
constexpr std::size_t kNonceBytes = 12, kTagBytes = 16, kStepKeyBytes = 32, kTokenBytes = 4;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
Cipher new_cipher() { return {EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free}; }

unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

void must(bool ok, const char* what) {
  if (!ok) throw Exception(ErrorCode::kUnavailable, std::string("OpenSSL cannot ") + what);
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  unsigned bits = 0;
  int n_bits = 0;
  for (const char c : text) {
    const auto digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffff;
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    bytes += static_cast<char>(bits >> n_bits & 255);
  }
  // What is left over must be zero: one text for one box.
  if ((bits & ((1U << n_bits) - 1)) != 0 || n_bits >= 6) return std::nullopt;
  return bytes;
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Error cannot(const char* what, const std::filesystem::path& file) {
  const ErrorCode code = errno == EACCES ? ErrorCode::kPermissionDenied : ErrorCode::kIo;
  return {code, std::string("cannot ") + what + " the server's key " + file.string() + ": " + std::strerror(errno)};
}

// Under a name of its own first (mode 0600), so that nobody ever reads half a key; whoever links it first has made it.
Result<void> make_key(const std::filesystem::path& file, std::span<const unsigned char> key) {
  std::string temporary = file.string() + ".XXXXXX";
  {
    const File made(::mkostemp(temporary.data(), O_CLOEXEC));
    if (made.fd() < 0) return cannot("make", file);
    if (::write(made.fd(), key.data(), key.size()) != std::ssize(key) || ::fsync(made.fd()) != 0) {
      const Error error = cannot("write", file);
      ::unlink(temporary.c_str());
      return error;
    }
  }
  const bool linked = ::link(temporary.c_str(), file.c_str()) == 0 || errno == EEXIST;
  const Error error = cannot("make", file);
  ::unlink(temporary.c_str());
  if (!linked) return error;
  return {};
}

}  // namespace

TokenSeal::TokenSeal() { must(RAND_bytes(key_.data(), static_cast<int>(key_.size())) == 1, "make a key"); }

Result<TokenSeal> TokenSeal::from_file(const std::filesystem::path& path) {
  if (::access(path.c_str(), F_OK) != 0) {
    std::error_code ignored;
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
    if (Result<void> made = make_key(path, TokenSeal().key_); !made) return made.error();
  }
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (file.fd() < 0 || ::fstat(file.fd(), &about) != 0) return cannot("read", path);
  if ((about.st_mode & 077) != 0) {
    return Error{ErrorCode::kPermissionDenied, "others may read the server's key " + path.string() + "; run: chmod 600 " + path.string()};
  }
  Key key{};
  if (about.st_size != std::ssize(key) || ::read(file.fd(), key.data(), key.size()) != std::ssize(key)) {
    return Error{ErrorCode::kCorrupt, "the server's key " + path.string() + " is not 32 bytes long; remove it, and a new one is made"};
  }
  return TokenSeal(key);
}

std::string TokenSeal::close(const store::SampledStep& step) const {
  std::string plain = step.key;
  plain.append(reinterpret_cast<const char*>(step.tokens.data()), step.tokens.size() * kTokenBytes);
  std::string box(kNonceBytes + plain.size() + kTagBytes, '\0');
  must(RAND_bytes(raw(box), kNonceBytes) == 1, "make a nonce");
  const Cipher cipher = new_cipher();
  int n = 0;
  bool ok = EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), raw(box)) == 1;
  ok = ok && EVP_EncryptUpdate(cipher.get(), nullptr, &n, raw(kPrefix), kPrefix.size()) == 1;
  ok = ok && EVP_EncryptUpdate(cipher.get(), raw(box) + kNonceBytes, &n, raw(std::string_view(plain)), static_cast<int>(plain.size())) == 1;
  ok = ok && EVP_EncryptFinal_ex(cipher.get(), raw(box) + kNonceBytes + plain.size(), &n) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, raw(box) + kNonceBytes + plain.size()) == 1;
  must(ok, "seal tokens");
  return std::string(kPrefix) + base64url(box);
}

bool TokenSeal::is_ours(std::string_view text) { return text.starts_with(kPrefix); }

std::optional<store::SampledStep> TokenSeal::open(std::string_view text) const {
  if (!is_ours(text)) return std::nullopt;
  auto box = from_base64url(text.substr(kPrefix.size()));
  if (!box || box->size() < kNonceBytes + kStepKeyBytes + kTagBytes || box->size() > INT32_MAX) return std::nullopt;
  const std::size_t n_plain = box->size() - kNonceBytes - kTagBytes;
  std::string plain(n_plain, '\0');
  const Cipher cipher = new_cipher();
  int n = 0;
  bool ok = EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), raw(*box)) == 1;
  ok = ok && EVP_DecryptUpdate(cipher.get(), nullptr, &n, raw(kPrefix), kPrefix.size()) == 1;
  ok = ok && EVP_DecryptUpdate(cipher.get(), raw(plain), &n, raw(*box) + kNonceBytes, static_cast<int>(n_plain)) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, raw(*box) + kNonceBytes + n_plain) == 1;
  ok = ok && EVP_DecryptFinal_ex(cipher.get(), raw(plain) + n_plain, &n) == 1;
  if (!ok || (n_plain - kStepKeyBytes) % kTokenBytes != 0) return std::nullopt;
  store::SampledStep step{plain.substr(0, kStepKeyBytes), Tokens((n_plain - kStepKeyBytes) / kTokenBytes)};
  if (!step.tokens.empty()) std::memcpy(step.tokens.data(), plain.data() + kStepKeyBytes, n_plain - kStepKeyBytes);
  return step;
}

}  // namespace toccata::server
