#include "agent/server/step_memory.h"

namespace toccata::server {

void StepMemory::remember(const PrefixHash& before, std::string seen, Tokens tokens) {
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = entries_.try_emplace({before, std::move(seen)});
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

std::optional<Tokens> StepMemory::recall(const PrefixHash& before, const std::string& seen) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({before, seen});
  if (found == entries_.end()) return std::nullopt;
  ages_.splice(ages_.begin(), ages_, found->second.age);
  return found->second.tokens;
}

}  // namespace toccata::server
