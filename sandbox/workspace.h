// The host's hands in a session's workspace. The folder belongs to untrusted code: everything goes through its
// descriptor, links are never followed, only regular files are opened, nothing blocks, every count has a bound.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "sandbox/outcome.h"

namespace toccata::sandbox {

class Workspace {
 public:
  // `folder`: descriptor of the workspace, borrowed. `files_belong_to`: the host uid and gid new files get, or -1.
  Workspace(int folder, std::int64_t files_belong_to, std::uint64_t transfer_bytes)
      : folder_(folder), owner_(files_belong_to), transfer_bytes_(transfer_bytes) {}

  std::vector<WorkspaceFile> list() const;
  Result<std::string> read(const std::string& path) const;
  Result<void> write(const std::string& path, std::string_view bytes) const;

  int folder() const { return folder_; }
  std::int64_t owner() const { return owner_; }

  // Changes whenever the file does: inode, size, time of modification in ns.
  struct Stamp {
    std::uint64_t inode = 0, size = 0;
    std::int64_t modified_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Scan {
    std::map<std::string, Stamp> files;
    bool complete = true;  // else there are more than are looked at
  };
  Scan scan() const;

  // Files made or changed since the call before.
  std::vector<WorkspaceFile> changes();
  // What is there now is not a change.
  void remember() { changes(); }

 private:

  int folder_;
  std::int64_t owner_;
  std::uint64_t transfer_bytes_;
  std::map<std::string, Stamp> known_;
};

}  // namespace toccata::sandbox
