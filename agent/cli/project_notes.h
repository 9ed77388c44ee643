// What a project tells its agents: AGENTS.md files and skills.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace toccata::cli {

inline constexpr std::size_t kProjectNotesBytesMax = 32 << 10;

// The AGENTS.md of every folder from the root of the repository (the nearest one above with a `.git`; else `folder`
// itself) down to `folder`, the nearest last, each under a line that names it. Cut at kProjectNotesBytesMax, and says
// so. Empty when there is none. A file that cannot be read is named in place of its text.
std::string project_notes(const std::filesystem::path& folder);

// The folders in which skills are looked for, the first that has a name wins: .agents/skills and .toccata/skills of
// every folder from `folder` up to the root of the repository, then the user's own.
std::vector<std::filesystem::path> skill_folders(
    const std::filesystem::path& folder, const std::filesystem::path& config_home
);

}  // namespace toccata::cli
