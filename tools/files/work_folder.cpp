#include "tools/files/work_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "sandbox/linux/act_as.h"

namespace toccata::tools {
namespace {

using sandbox::UniqueFd;

Error failure(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
      return {ErrorCode::kNotFound, path + ": there is no such file"};
    case EXDEV:
      return {ErrorCode::kInvalidArgument, path + ": is outside the workspace"};
    case ELOOP:
      return {ErrorCode::kInvalidArgument, path + ": symbolic links are not followed"};
    default:
      return {ErrorCode::kIo, path + ": " + strerror(error)};
  }
}

Error not_regular(const std::string& path) {
  return {ErrorCode::kInvalidArgument, path + ": is not a regular file"};
}

// The names of a relative path; none of them "..".
Result<std::vector<std::string>> names_of(const std::string& path) {
  const Error refused{
      ErrorCode::kInvalidArgument,
      "\"" + path + "\" is not a path inside the workspace; expected a relative one without \"..\""};
  if (path.empty() || path[0] == '/' || path.find('\0') != std::string::npos) return refused;
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    if (name == "..") return refused;
    if (!name.empty() && name != ".") names.push_back(name);
    at = end + 1;
  }
  if (names.empty() || path.ends_with('/')) return refused;
  return names;
}

std::string temporary_name() {
  std::uint64_t random = 0;
  (void)!getrandom(&random, sizeof random, 0);
  return ".toccata-" + std::to_string(random) + ".tmp";
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace

Result<WorkFolder> WorkFolder::open(const std::filesystem::path& path, Resolver resolver) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return Error{
        ErrorCode::kNotFound, "workspace " + path.string() + ": " + std::string(strerror(errno))};
  }
  return WorkFolder(std::move(fd), resolver, -1);
}

WorkFolder WorkFolder::of(sandbox::UniqueFd folder, std::int64_t owner) {
  return WorkFolder(std::move(folder), Resolver::kOpenat2, owner);
}

// `name` is one name or ".", so that O_NOFOLLOW alone says the same as openat2 where that is missing.
UniqueFd WorkFolder::open_name(int folder, const std::string& name, std::uint64_t flags) const {
  open_how how = {};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  if ((flags & O_PATH) == 0) how.flags |= O_NONBLOCK;  // which openat2 refuses beside O_PATH
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  if (resolver_ == Resolver::kOpenat2) {
    UniqueFd fd(static_cast<int>(syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how)));
    if (fd || (errno != ENOSYS && errno != EPERM)) return fd;
  }
  return UniqueFd(openat(folder, name.c_str(), static_cast<int>(how.flags)));
}

Result<WorkFolder::Place> WorkFolder::place(const std::string& path, bool make_folders) const {
  const Result<std::vector<std::string>> names = names_of(path);
  if (!names) return names.error();
  UniqueFd here = open_name(folder_.get(), ".", O_PATH | O_DIRECTORY);
  if (!here) return failure(path, errno);
  for (std::size_t i = 0; i + 1 < names->size(); ++i) {
    const std::string& name = (*names)[i];
    UniqueFd next = open_name(here.get(), name, O_PATH | O_DIRECTORY);
    if (!next && errno == ENOENT && make_folders) {
      if (mkdirat(here.get(), name.c_str(), 0777) != 0 && errno != EEXIST)
        return failure(path, errno);
      next = open_name(here.get(), name, O_PATH | O_DIRECTORY);
    }
    if (!next) return failure(path, errno);
    here = std::move(next);
  }
  return Place{std::move(here), names->back()};
}

Result<bool> WorkFolder::exists(const std::string& path) const {
  const Result<Place> at = place(path, /*make_folders=*/false);
  if (!at && at.error().code == ErrorCode::kNotFound) return false;
  if (!at) return at.error();
  struct stat info = {};
  if (fstatat(at->parent.get(), at->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  return failure(path, errno);
}

Result<UniqueFd> WorkFolder::open_file(const std::string& path) const {
  const Result<Place> at = place(path, /*make_folders=*/false);
  if (!at) return at.error();
  UniqueFd fd = open_name(at->parent.get(), at->name, O_RDONLY);
  if (!fd) return failure(path, errno);
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return failure(path, errno);
  if (!S_ISREG(info.st_mode)) return not_regular(path);
  return fd;
}

Result<std::string> WorkFolder::read(const std::string& path) const {
  const Result<UniqueFd> fd = open_file(path);
  if (!fd) return fd.error();
  std::string bytes;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(fd->get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure(path, errno);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > kFileMax) {
      return Error{
          ErrorCode::kResourceExhausted,
          path + ": has more than " + std::to_string(kFileMax >> 20) + " MiB"};
    }
  }
}

Result<std::vector<WorkFolder::Entry>> WorkFolder::list(
    const std::string& path, std::size_t n_max
) const {
  UniqueFd fd;
  if (path == ".") {
    fd = open_name(folder_.get(), ".", O_RDONLY | O_DIRECTORY);
  } else {
    const Result<Place> at = place(path, /*make_folders=*/false);
    if (!at) return at.error();
    fd = open_name(at->parent.get(), at->name, O_RDONLY | O_DIRECTORY);
  }
  if (!fd && errno == ENOTDIR)
    return Error{ErrorCode::kInvalidArgument, path + ": is not a folder"};
  if (!fd) return failure(path, errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd.get()), closedir);
  if (!stream) return failure(path, errno);
  const int at = fd.release();  // the stream's now
  std::vector<Entry> entries;
  while (const dirent* next = readdir(stream.get())) {
    const std::string name = next->d_name;
    struct stat info = {};
    if (name == "." || name == "..") continue;
    if (fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    using Kind = Entry::Kind;
    const Kind kind = S_ISREG(info.st_mode)   ? Kind::kFile
                      : S_ISDIR(info.st_mode) ? Kind::kFolder
                      : S_ISLNK(info.st_mode) ? Kind::kLink
                                              : Kind::kOther;
    entries.push_back({name, kind, kind == Kind::kFile ? static_cast<std::uint64_t>(info.st_size) : 0});
    if (entries.size() == n_max) break;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

Result<void> WorkFolder::write(const std::string& path, std::string_view bytes) const {
  const sandbox::ActAs owner(owner_);
  const Result<Place> at = place(path, /*make_folders=*/true);
  if (!at) return at.error();
  const int parent = at->parent.get();
  struct stat old = {};
  const bool replaces = fstatat(parent, at->name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (replaces && !S_ISREG(old.st_mode)) return not_regular(path);
  const std::string temporary = temporary_name();
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd fd(openat(parent, temporary.c_str(), flags, 0666));
  if (!fd) return failure(path, errno);
  int error = write_all(fd.get(), bytes);
  if (error == 0 && replaces && fchmod(fd.get(), old.st_mode & 0777) != 0) error = errno;
  if (error == 0 && renameat(parent, temporary.c_str(), parent, at->name.c_str()) != 0)
    error = errno;
  if (error == 0) return {};
  unlinkat(parent, temporary.c_str(), 0);
  return failure(path, error);
}

Result<void> WorkFolder::remove(const std::string& path) const {
  const sandbox::ActAs owner(owner_);
  const Result<Place> at = place(path, /*make_folders=*/false);
  if (!at) return at.error();
  struct stat info = {};
  if (fstatat(at->parent.get(), at->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return failure(path, errno);
  if (!S_ISREG(info.st_mode)) return not_regular(path);
  if (unlinkat(at->parent.get(), at->name.c_str(), 0) != 0) return failure(path, errno);
  return {};
}

}  // namespace toccata::tools
