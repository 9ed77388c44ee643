#include "agent/server/step_memory.h"

#include "core/digest/digest.h"

namespace toccata::server {

std::string text_hash(std::string_view text) {
  Digest digest(DigestKind::kSha256);
  digest.add(text);
  return digest.hex();
}

std::string step_key(const PrefixHash& before, std::string_view seen) {
  std::string bytes;
  for (const std::uint64_t value : {before.a_, before.b_, before.n_}) {
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  Digest digest(DigestKind::kSha256);
  digest.add(bytes);
  digest.add(seen);
  return digest.bytes();
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

std::optional<Tokens> StepMemory::recall(const std::string& key, bool may_ask) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) {
      ages_.splice(ages_.begin(), ages_, found->second.age);
      return found->second.tokens;
    }
  }
  std::optional<Tokens> tokens = may_ask && deeper_ ? deeper_(key) : std::nullopt;
  if (tokens) remember(key, *tokens);
  return tokens;
}

}  // namespace toccata::server
