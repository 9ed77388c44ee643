// What the model sees of files: lines of one, names of many, lines found. All bounded, and the bound is said.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "core/base/error.h"
#include "tools/files/glob.h"
#include "tools/files/line_pattern.h"
#include "tools/files/work_folder.h"

namespace toccata::tools {

// "L12: text" for each line of [first, first + n_lines); then what comes after: the next line to ask for, or the end.
// At most 60,000 bytes of text, 2,000 of a line. A binary file is only named.
Result<std::string> show_lines(
    const WorkFolder& folder, const std::string& path, std::int64_t first, std::int64_t n_lines
);

// A name a line: folders end in '/', files have their size. At most 1,000.
Result<std::string> show_folder(const WorkFolder& folder, const std::string& path);

// Paths of files below `path`, sorted, at most 1,000 of 50,000 looked at. Folders named .git are passed over.
Result<std::string> show_matching_paths(
    const WorkFolder& folder, const std::string& path, const Glob& glob, std::stop_token stop
);

// "PATH:LINE: text" for each line found in text files below `path` (or in it, when it is a file), sorted by path, at most
// 200; of a line its first 64 KiB count. `glob` null = every file. Ends by itself after 20 s or 512 MiB, and says so.
Result<std::string> show_found_lines(
    const WorkFolder& folder, const std::string& path, const LinePattern& pattern, const Glob* glob,
    std::stop_token stop
);

}  // namespace toccata::tools
