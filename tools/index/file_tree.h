// The files below a folder, whoever put them there: links are not followed, only regular files count, no name has to be UTF-8.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::tools {

struct FoundFile {
  std::filesystem::path path;
  std::int64_t bytes = 0;
  std::int64_t modified = 0;  // ns since 1970
};

struct FileTree {
  std::vector<FoundFile> files;                    // by path
  std::vector<std::filesystem::path> unreadable;  // folders: what is in them is not known
};

// At or below `root`; files and folders whose name begins with a dot are left out.
FileTree files_below(const std::filesystem::path& root);

// The bytes of a regular file. kInvalidArgument for anything else, also when it became so after files_below() saw it;
// kResourceExhausted above `limit`. `wants` is asked once, with the first 64 KiB: kUnsupported when it says no.
Result<std::string> read_regular_file(
    const std::filesystem::path& path, std::size_t limit, const std::function<bool(std::string_view head)>& wants = {}
);

}  // namespace toccata::tools
