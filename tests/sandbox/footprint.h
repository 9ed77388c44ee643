// What a test compares to know that nothing was left behind.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

namespace toccata::sandbox {

inline std::size_t entries(const std::filesystem::path& folder) {
  std::error_code ignored;
  const auto all = std::filesystem::directory_iterator(folder, ignored);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Folders below `folder` whose name is one of ours. Other sessions of the machine come and go while this looks: a folder
// that is gone when its turn comes holds nothing.
inline std::size_t groups_below(const std::filesystem::path& folder, const std::string& mine) {
  std::size_t n = 0;
  std::error_code gone;
  auto entry = std::filesystem::directory_iterator(
      folder, std::filesystem::directory_options::skip_permission_denied, gone
  );
  for (; !gone && entry != std::filesystem::directory_iterator(); entry.increment(gone)) {
    std::error_code ignored;
    if (entry->is_symlink(ignored) || !entry->is_directory(ignored)) continue;
    const std::string name = entry->path().filename().string();
    n += name.starts_with("toccata") && name.find(mine) != std::string::npos;
    n += groups_below(entry->path(), mine);
  }
  return n;
}

// In every control group hierarchy.
inline std::size_t control_groups() {
  return groups_below("/sys/fs/cgroup", "-" + std::to_string(getpid()) + "-");
}

// What a leak would change.
struct Footprint {
  std::size_t descriptors = entries("/proc/self/fd");
  std::size_t groups = control_groups();
  std::string mounts = text_of("/proc/self/mountinfo");
  bool children = waitpid(-1, nullptr, WNOHANG) != -1;
  friend bool operator==(const Footprint&, const Footprint&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Footprint& it) {
    return out << it.descriptors << " descriptors, " << it.groups << " control groups, " << (it.children ? "children" : "no children") << ", mounts:\n"
               << it.mounts;
  }
};

}  // namespace toccata::sandbox
