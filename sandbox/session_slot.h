// The one session that several tools of a run work in: variables of one, files of all.
#pragma once

#include <map>
#include <memory>
#include <string>
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
      for (const auto& [path, bytes] : files_) {
        if (const Result<void> put = (*opened)->upload(path, bytes); !put) return put.error();
      }
      session_ = std::move(*opened);
    }
    return session_.get();
  }
  // Files, by their paths in the workspace, that are put there when the session opens.
  void set_files(std::map<std::string, std::string> files) { files_ = std::move(files); }
  // Null before the first use.
  Session* session() const { return session_.get(); }

 private:
  Sandbox& sandbox_;
  std::unique_ptr<Session> session_;
  std::map<std::string, std::string> files_;
};

}  // namespace toccata::sandbox
