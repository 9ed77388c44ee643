// The one session that several tools of a run work in: variables of one, files of all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/sandbox.h"

namespace toccata::sandbox {

// A file of the workspace as the last calls left it.
struct KeptFile {
  std::string path;                  // relative to the workspace
  std::optional<std::string> bytes;  // none: it is gone, or larger than what is kept
  friend bool operator==(const KeptFile&, const KeptFile&) = default;
};

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
      (void)(*opened)->take_changes();
      session_ = std::move(*opened);
    }
    return session_.get();
  }
  // Files, by their paths in the workspace, that are put there when the session opens, before others with these paths.
  void add_files(std::map<std::string, std::string> files) {
    files.merge(files_);
    files_ = std::move(files);
  }
  // What became of files since the last call of this, with what is in them: at most kFileKept bytes of one and kTotalKept of
  // all. None before the first use. Those of add_files() are no change.
  std::vector<KeptFile> take_changes();
  static constexpr std::uint64_t kFileKept = std::uint64_t{16} << 20;
  static constexpr std::uint64_t kTotalKept = std::uint64_t{64} << 20;

  // Null before the first use.
  Session* session() const { return session_.get(); }
  // Whether its code can reach any host.
  bool has_network() const { return !sandbox_.network().empty(); }

 private:
  Sandbox& sandbox_;
  std::unique_ptr<Session> session_;
  std::map<std::string, std::string> files_;
};

}  // namespace toccata::sandbox
