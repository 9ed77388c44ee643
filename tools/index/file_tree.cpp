#include "tools/index/file_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace toccata::tools {
namespace {

namespace fs = std::filesystem;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::optional<struct stat> look_at(const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

FoundFile found(const fs::path& path, const struct stat& info) {
  return {path, info.st_size, info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec};
}

// False when the folder could not be read to its end.
bool read_folder(const fs::path& folder, FileTree& tree, std::vector<fs::path>& folders) {
  std::error_code failure;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure)) {
    const fs::path& path = it->path();
    if (path.filename().native().starts_with('.')) continue;
    const auto info = look_at(path);
    if (!info) {
      if (errno != ENOENT) tree.unreadable.push_back(path);
    } else if (S_ISDIR(info->st_mode)) {
      folders.push_back(path);
    } else if (S_ISREG(info->st_mode)) {
      tree.files.push_back(found(path, *info));
    }
  }
  return !failure;
}

}  // namespace

FileTree files_below(const fs::path& root) {
  FileTree tree;
  const auto info = look_at(root);
  if (info && S_ISREG(info->st_mode)) tree.files.push_back(found(root, *info));
  if (!info || !S_ISDIR(info->st_mode)) return tree;
  for (std::vector<fs::path> folders = {root}; !folders.empty();) {
    const fs::path folder = std::move(folders.back());
    folders.pop_back();
    if (!read_folder(folder, tree, folders)) tree.unreadable.push_back(folder);
  }
  std::sort(tree.files.begin(), tree.files.end(), [](const FoundFile& a, const FoundFile& b) { return a.path.native() < b.path.native(); });
  return tree;
}

Result<std::string> read_regular_file(const fs::path& path, std::size_t limit, const std::function<bool(std::string_view)>& wants) {
  // Without waiting: a pipe that took the file's name has no writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) {
    return Error{errno == EACCES ? ErrorCode::kPermissionDenied : ErrorCode::kIo, path.string() + ": cannot open: " + std::strerror(errno)};
  }
  if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kInvalidArgument, path.string() + ": expected a regular file"};
  const Error too_large{ErrorCode::kResourceExhausted, path.string() + ": larger than the limit of " + std::to_string(limit) + " bytes"};
  if (static_cast<std::uintmax_t>(info.st_size) > limit) return too_large;
  std::string bytes;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n == 0) return bytes;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{ErrorCode::kIo, path.string() + ": cannot read: " + std::strerror(errno)};
    const std::string_view part(buffer, static_cast<std::size_t>(n));
    if (bytes.empty() && wants && !wants(part)) return Error{ErrorCode::kUnsupported, path.string() + ": not what was looked for"};
    bytes += part;
    if (bytes.size() > limit) return too_large;
  }
}

}  // namespace toccata::tools
