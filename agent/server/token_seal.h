// `encrypted_content`: a step's sampled tokens in a box that only this installation can open. A client that keeps its
// own history carries it along, so that any server with the key, also after a restart, goes on from the very tokens.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "agent/store/response_archive.h"
#include "core/base/error.h"

namespace toccata::server {

// Any thread.
class TokenSeal {
 public:
  // A key of its own that ends with the process.
  TokenSeal();
  // The key in `file` (32 bytes, mode 0600), which is made when it is missing. kCorrupt for a file of another length,
  // kPermissionDenied where others may read it.
  static Result<TokenSeal> from_file(const std::filesystem::path& file);

  // "tocc1." and base64url of nonce, AES-256-GCM ciphertext and tag.
  std::string close(const store::SampledStep& step) const;
  // Whether a text claims to be ours; one of another maker is none of our business.
  static bool is_ours(std::string_view text);
  // Nothing when it was made with another key, or changed.
  std::optional<store::SampledStep> open(std::string_view text) const;

 private:
  using Key = std::array<unsigned char, 32>;
  explicit TokenSeal(const Key& key) : key_(key) {}
  Key key_{};
};

}  // namespace toccata::server
