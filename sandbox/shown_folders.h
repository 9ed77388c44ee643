// Folders of the host that sessions may read, or single files of it: checked once, known by what they are from then on, not
// by what their path names later.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "sandbox/policy.h"

namespace toccata::sandbox {

struct ShownFolder {
  std::filesystem::path host;  // canonical
  std::string inside;          // "/mnt/NAME"
  std::uint64_t device = 0, inode = 0;
  bool is_file = false;
  friend bool operator==(const ShownFolder&, const ShownFolder&) = default;
};

// The folders of `policy.mounts`, in their order. kNotFound for one that is not there; kInvalidArgument for a name that
// cannot stand below /mnt or stands there already, for what is neither folder nor regular file, for the root, and for all that holds or
// lies in one of `policy.private_paths`; kPermissionDenied for one that a session could not read.
Result<std::vector<ShownFolder>> find_shown_folders(const Policy& policy);

// "PATH" or "PATH:NAME". The last colon counts, unless a slash follows it.
Mount parse_mount(const std::string& text);

}  // namespace toccata::sandbox
