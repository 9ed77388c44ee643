// The folder that file tools work on: one descriptor, and nothing outside can be named through it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "sandbox/linux/unique_fd.h"

namespace toccata::tools {

// Every path is relative to the folder and resolved by openat2 beneath its descriptor: no "..", no absolute
// path, no symbolic link anywhere in it, also when the tree changes meanwhile. Only regular files are read, and
// never waited for.
class WorkFolder {
 public:
  static constexpr std::uint64_t kFileMax = std::uint64_t{16} << 20;  // bytes of one file

  // kNotFound when it is not a folder.
  static Result<WorkFolder> open(const std::filesystem::path& path);

  // kNotFound when there is none; kInvalidArgument for a path that leaves the folder or is not a regular file.
  Result<std::string> read(const std::string& path) const;
  // Makes missing folders. The file has either its old bytes or the new ones, and keeps its mode.
  Result<void> write(const std::string& path, std::string_view bytes) const;
  Result<void> remove(const std::string& path) const;
  // Whether anything, of whatever kind, has this name.
  Result<bool> exists(const std::string& path) const;

 private:
  explicit WorkFolder(sandbox::UniqueFd folder) : folder_(std::move(folder)) {}
  struct Place {
    sandbox::UniqueFd parent;
    std::string name;
  };
  Result<Place> place(const std::string& path, bool make_folders) const;

  sandbox::UniqueFd folder_;
};

}  // namespace toccata::tools
