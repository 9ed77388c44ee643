// The one session that several tools of a run work in: variables of one, files of all.
#pragma once

#include <memory>
#include <utility>

#include "sandbox/sandbox.h"

namespace toccata::sandbox {

// Opens its session when it is first asked for. One thread at a time.
class SessionSlot {
 public:
  // Borrows the sandbox.
  explicit SessionSlot(Sandbox& sandbox) : sandbox_(sandbox) {}

  Result<Session*> open() {
    if (!session_) {
      Result<std::unique_ptr<Session>> opened = sandbox_.open();
      if (!opened) return opened.error();
      session_ = std::move(*opened);
    }
    return session_.get();
  }
  // Null before the first use.
  Session* session() const { return session_.get(); }

 private:
  Sandbox& sandbox_;
  std::unique_ptr<Session> session_;
};

}  // namespace toccata::sandbox
