#include "agent/server/step_memory.h"

#include <openssl/evp.h>

#include "core/base/error.h"

namespace toccata::server {
namespace {

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  const int done = EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(), nullptr);
  if (done != 1) throw Exception(ErrorCode::kUnavailable, "OpenSSL gives no SHA-256");
  return digest;
}

}  // namespace

std::string text_hash(std::string_view text) {
  std::string hex;
  for (const unsigned char byte : sha256(text)) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string step_key(const PrefixHash& before, std::string_view seen) {
  std::string bytes;
  for (const std::uint64_t value : {before.a_, before.b_, before.n_}) {
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  bytes += seen;
  return sha256(bytes);
}

void StepMemory::remember(const std::string& key, Tokens tokens) {
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = entries_.try_emplace(key);
  if (!is_new) {
    n_tokens_ -= it->second.tokens.size();
    ages_.erase(it->second.age);
  }
  n_tokens_ += tokens.size();
  it->second.tokens = std::move(tokens);
  ages_.push_front(&it->first);
  it->second.age = ages_.begin();
  while (n_tokens_ > tokens_max_ && ages_.size() > 1) {
    const auto oldest = entries_.find(*ages_.back());
    n_tokens_ -= oldest->second.tokens.size();
    ages_.pop_back();
    entries_.erase(oldest);
  }
}

std::optional<Tokens> StepMemory::recall(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) {
      ages_.splice(ages_.begin(), ages_, found->second.age);
      return found->second.tokens;
    }
  }
  std::optional<Tokens> tokens = deeper_ ? deeper_(key) : std::nullopt;
  if (tokens) remember(key, *tokens);
  return tokens;
}

}  // namespace toccata::server
