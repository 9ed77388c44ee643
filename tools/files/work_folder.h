// The folder that file tools work on: one descriptor, and nothing outside can be named through it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::tools {

// Every path is relative to the folder and resolved name by name beneath its descriptor, by openat2 with
// RESOLVE_BENEATH, or, where the kernel has no openat2, by openat with O_NOFOLLOW: no "..", no absolute path, no
// symbolic link anywhere in it, also when the tree changes meanwhile. Only regular files are read, and never waited for.
class WorkFolder {
 public:
  static constexpr std::uint64_t kFileMax = std::uint64_t{16} << 20;  // bytes of one file

  enum class Resolver { kOpenat2, kOpenat };

  // What stands under a name; never what a link points to.
  struct Entry {
    enum class Kind { kFile, kFolder, kLink, kOther };
    std::string name;
    Kind kind = Kind::kOther;
    std::uint64_t size = 0;  // of a file
  };

  // kNotFound when it is not a folder. `resolver`: for tests of the older way.
  static Result<WorkFolder> open(
      const std::filesystem::path& path, Resolver resolver = Resolver::kOpenat2
  );
  // A folder that is open already; what is written there belongs to `owner` (host uid and gid; -1 = the caller's).
  static WorkFolder of(sandbox::UniqueFd folder, std::int64_t owner);

  // kNotFound when there is none; kInvalidArgument for a path that leaves the folder or is not a regular file.
  Result<std::string> read(const std::string& path) const;
  // Opened for reading from its start.
  Result<sandbox::UniqueFd> open_file(const std::string& path) const;
  // Sorted by name, at most `n_max` of them; "." is the folder itself. kNotFound when there is no such folder.
  Result<std::vector<Entry>> list(const std::string& path, std::size_t n_max) const;
  // Makes missing folders. The file has either its old bytes or the new ones, and keeps its mode.
  Result<void> write(const std::string& path, std::string_view bytes) const;
  Result<void> remove(const std::string& path) const;
  // Whether anything, of whatever kind, has this name.
  Result<bool> exists(const std::string& path) const;

 private:
  WorkFolder(sandbox::UniqueFd folder, Resolver resolver, std::int64_t owner)
      : folder_(std::move(folder)), resolver_(resolver), owner_(owner) {}
  sandbox::UniqueFd open_name(int folder, const std::string& name, std::uint64_t flags) const;
  struct Place {
    sandbox::UniqueFd parent;
    std::string name;
  };
  Result<Place> place(const std::string& path, bool make_folders) const;

  sandbox::UniqueFd folder_;
  Resolver resolver_;
  std::int64_t owner_;
};

}  // namespace toccata::tools
