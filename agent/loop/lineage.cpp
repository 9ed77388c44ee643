#include "agent/loop/lineage.h"

namespace toccata::agent {

bool is_allowed(const std::optional<std::set<std::string>>& tools, const std::string& recipient) {
  return !tools || tools->contains(recipient) || tools->contains(recipient.substr(0, recipient.find('.')));
}

Result<SharedPrefix::Copy> SharedPrefix::copy() {
  if (session_ != nullptr) {
    const std::lock_guard lock(mutex_);
    Result<std::unique_ptr<TokenSession>> forked = session_->fork();
    if (!forked) return forked.error();
    return Copy{std::move(*forked), session_->usage()};
  }
  Result<std::unique_ptr<TokenSession>> opened = model_.open_session();
  if (!opened) return opened.error();
  (*opened)->introduce(opening_);
  if (Result<void> appended = (*opened)->append(tokens_); !appended) return appended.error();
  return Copy{std::move(*opened), {}};
}

}  // namespace toccata::agent
