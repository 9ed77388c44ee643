#include "sandbox/workspace.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "sandbox/linux/act_as.h"
#include "sandbox/linux/unique_fd.h"
#include "sandbox/output.h"

namespace toccata::sandbox {
namespace {

constexpr std::size_t kFilesMax = 1'000;
constexpr std::size_t kEntriesMax = 20'000;  // looked at, folders and links included
constexpr int kDepthMax = 16;

UniqueFd open_beneath(
    int folder, const std::string& path, std::uint64_t flags, std::uint64_t mode
) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  if ((flags & O_PATH) == 0) how.flags |= O_NONBLOCK;  // which openat2 refuses beside O_PATH
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)));
}

Error io_error(const std::string& what, const std::string& path, int error) {
  const ErrorCode code = error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, what + " " + kWorkspacePath + "/" + to_utf8(path) + ": " + strerror(error)};
}

// The path relative to the workspace.
Result<std::string> relative(std::string path) {
  const std::string prefix = std::string(kWorkspacePath) + "/";
  if (path.starts_with(prefix)) path.erase(0, prefix.size());
  if (path.empty() || path[0] == '/' || path.find('\0') != std::string::npos) {
    return Error{
        ErrorCode::kInvalidArgument,
        "\"" + to_utf8(path) + "\" is not the path of a file in " + kWorkspacePath};
  }
  return path;
}

struct CloseFolder {
  void operator()(DIR* stream) const { closedir(stream); }
};
struct Folder {
  std::string path;  // "" or "a/b/"
  int depth = 0;
};

Result<void> make_parents(int folder, const std::string& path) {
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string parent = path.substr(0, at);
    if (open_beneath(folder, parent, O_PATH | O_DIRECTORY, 0)) continue;
    const std::size_t name = parent.rfind('/');
    const UniqueFd above =
        name == std::string::npos
            ? UniqueFd(dup(folder))
            : open_beneath(folder, parent.substr(0, name), O_PATH | O_DIRECTORY, 0);
    const std::string last = name == std::string::npos ? parent : parent.substr(name + 1);
    if (!above || mkdirat(above.get(), last.c_str(), 0755) != 0) {
      return io_error("cannot make the folder", parent, errno);
    }
  }
  return {};
}

}  // namespace

Workspace::Scan Workspace::scan() const {
  Scan scan;
  std::map<std::string, Stamp>& files = scan.files;
  std::vector<Folder> folders = {{"", 0}};
  std::size_t entries = 0;
  while (!folders.empty() && entries < kEntriesMax && files.size() < kFilesMax) {
    const Folder here = std::move(folders.back());
    folders.pop_back();
    UniqueFd fd =
        open_beneath(folder_, here.path.empty() ? "." : here.path, O_RDONLY | O_DIRECTORY, 0);
    if (!fd) continue;
    const std::unique_ptr<DIR, CloseFolder> stream(fdopendir(fd.get()));
    if (!stream) continue;
    const int at = fd.release();  // the stream's now
    while (const dirent* entry = readdir(stream.get())) {
      const std::string name = entry->d_name;
      struct stat info = {};
      if (name == "." || name == ".." || ++entries > kEntriesMax) continue;
      if (fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISDIR(info.st_mode) && here.depth < kDepthMax) {
        folders.push_back({here.path + name + "/", here.depth + 1});
      }
      if (!S_ISREG(info.st_mode) || files.size() >= kFilesMax) continue;
      const std::int64_t modified = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
      files[here.path + name] = {info.st_ino, static_cast<std::uint64_t>(info.st_size), modified};
    }
  }
  scan.complete = entries < kEntriesMax && files.size() < kFilesMax;
  return scan;
}

std::vector<WorkspaceFile> Workspace::list() const {
  std::vector<WorkspaceFile> files;
  for (const auto& [path, stamp] : scan().files) files.push_back({to_utf8(path), stamp.size});
  return files;
}

std::vector<WorkspaceFile> Workspace::changes() {
  std::map<std::string, Stamp> now = scan().files;
  std::vector<WorkspaceFile> changed;
  for (const auto& [path, stamp] : now) {
    const auto before = known_.find(path);
    if (before != known_.end() && before->second == stamp) continue;
    changed.push_back({to_utf8(path), stamp.size});
  }
  known_ = std::move(now);
  return changed;
}

Result<std::string> Workspace::read(const std::string& path) const {
  const Result<std::string> name = relative(path);
  if (!name) return name.error();
  const UniqueFd fd = open_beneath(folder_, *name, O_RDONLY, 0);
  struct stat info = {};
  if (!fd || fstat(fd.get(), &info) != 0) return io_error("cannot read", *name, errno);
  if (!S_ISREG(info.st_mode)) return io_error("cannot read", *name, EISDIR);
  if (static_cast<std::uint64_t>(info.st_size) > transfer_bytes_) {
    return Error{
        ErrorCode::kResourceExhausted,
        to_utf8(*name) + " has " + std::to_string(info.st_size) + " bytes; at most " +
            std::to_string(transfer_bytes_) + " can be downloaded"};
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0) return io_error("cannot read", *name, errno);
    if (n == 0) break;  // it shrank meanwhile
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

Result<void> Workspace::write(const std::string& path, std::string_view bytes) const {
  const Result<std::string> name = relative(path);
  if (!name) return name.error();
  if (bytes.size() > transfer_bytes_) {
    return Error{
        ErrorCode::kResourceExhausted,
        "the file is larger than " + std::to_string(transfer_bytes_) + " bytes"};
  }
  const ActAs session(owner_);
  if (const Result<void> made = make_parents(folder_, *name); !made) return made.error();
  const UniqueFd fd = open_beneath(folder_, *name, O_WRONLY | O_CREAT, 0644);
  struct stat info = {};
  if (!fd || fstat(fd.get(), &info) != 0) return io_error("cannot write", *name, errno);
  // Truncated only once it is known to be a file.
  if (!S_ISREG(info.st_mode)) return io_error("cannot write", *name, EISDIR);
  if (ftruncate(fd.get(), 0) != 0) return io_error("cannot write", *name, errno);
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n <= 0) return io_error("cannot write", *name, n == 0 ? ENOSPC : errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace toccata::sandbox
