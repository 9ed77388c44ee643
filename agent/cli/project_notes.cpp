#include "agent/cli/project_notes.h"

#include <algorithm>

#include "core/base/mapped_file.h"
#include "core/tokenizer/tokenizer.h"

namespace toccata::cli {
namespace {

namespace fs = std::filesystem;

// From `folder` up to the root of its repository; `folder` alone outside of one.
std::vector<fs::path> up_to_root(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (fs::path at = fs::absolute(folder, ignored);; at = at.parent_path()) {
    folders.push_back(at);
    if (fs::exists(at / ".git", ignored)) return folders;
    if (at == at.parent_path()) return {folders.front()};
  }
}

}  // namespace

std::string project_notes(const fs::path& folder) {
  std::vector<fs::path> folders = up_to_root(folder);
  std::reverse(folders.begin(), folders.end());
  std::string notes;
  for (const fs::path& at : folders) {
    const fs::path file = at / "AGENTS.md";
    std::error_code missing;
    if (!fs::is_regular_file(file, missing)) continue;
    const Result<std::string> text = read_text_file(file, std::size_t{16} << 20);
    if (!notes.empty()) notes += "\n\n";
    notes += "# " + file.string() + "\n\n" +
             (text ? tokenizer::to_valid_utf8(*text) : "(cannot be read: " + text.error().message + ")");
  }
  if (notes.size() <= kProjectNotesBytesMax) return notes;
  std::size_t cut = kProjectNotesBytesMax;
  while (cut > 0 && (static_cast<unsigned char>(notes[cut]) & 0xC0) == 0x80) --cut;
  const std::size_t n_left_out = notes.size() - cut;
  return notes.substr(0, cut) + "\n[" + std::to_string(n_left_out) + " more bytes of AGENTS.md were left out.]";
}

std::vector<fs::path> skill_folders(const fs::path& folder, const fs::path& config_home) {
  std::vector<fs::path> found;
  for (const fs::path& at : up_to_root(folder)) {
    found.push_back(at / ".agents" / "skills");
    found.push_back(at / ".toccata" / "skills");
  }
  found.push_back(config_home / "skills");
  return found;
}

}  // namespace toccata::cli
