#include "core/hub/destination.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/base/mapped_file.h"
#include "core/hub/digest.h"
#include "core/hub/file_lock.h"
#include "core/hub/names.h"

namespace toccata::hub {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWorkFolder = ".toccata-pull";

Error failure(const fs::path& path, const char* what, const std::error_code& code) {
  const bool denied = code == std::errc::permission_denied || code == std::errc::read_only_file_system;
  return Error{
      denied ? ErrorCode::kPermissionDenied : ErrorCode::kIo,
      path.string() + ": cannot " + what + ": " + code.message()};
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return failure(folder, "make the folder", code);
  return {};
}

// Made under another name and renamed, so that nobody ever finds it half made.
fs::path temporary_beside(const fs::path& path) {
  return path.parent_path() / ("." + path.filename().string() + "." + std::to_string(::getpid()));
}

Result<void> link_to(const fs::path& target, const fs::path& link) {
  std::error_code code;
  if (fs::is_symlink(link, code) && fs::read_symlink(link, code) == target) return {};
  const fs::path temporary = temporary_beside(link);
  fs::remove(temporary, code);
  fs::create_symlink(target, temporary, code);
  if (code) return failure(temporary, "make the link", code);
  fs::rename(temporary, link, code);
  if (code) return failure(link, "make the link", code);
  return {};
}

Result<void> write_file(const fs::path& path, const std::string& text) {
  if (const auto present = read_text_file(path, 4096); present && *present == text) return {};
  const fs::path temporary = temporary_beside(path);
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  std::error_code code;
  if (out) fs::rename(temporary, path, code);
  if (!out || code) return failure(path, "write", code ? code : std::error_code(errno, std::generic_category()));
  return {};
}

}  // namespace

Destination Destination::cache(fs::path hub_cache, const std::string& repo, const std::string& commit) {
  Destination destination;
  destination.is_cache_ = true;
  destination.repository_ = repository_folder(hub_cache, repo);
  destination.locks_ = hub_cache / ".locks" / destination.repository_.filename();
  destination.root_ = destination.repository_ / "snapshots" / commit;
  destination.commit_ = commit;
  return destination;
}

Destination Destination::folder(fs::path folder) {
  Destination destination;
  destination.locks_ = folder / kWorkFolder;
  destination.root_ = std::move(folder);
  return destination;
}

fs::path Destination::content(const HubFile& file) const {
  return is_cache_ ? repository_ / "blobs" / file.id : root_ / file.path;
}

bool Destination::has(const HubFile& file) const {
  std::error_code none;
  return fs::is_regular_file(content(file), none) && fs::file_size(content(file), none) == file.size;
}

fs::path Destination::stem(const HubFile& file) const { return is_cache_ ? content(file) : locks_ / file.path; }

fs::path Destination::lock(const HubFile& file) const {
  return is_cache_ ? locks_ / (file.id + ".lock") : locks_ / (file.path + ".lock");
}

Result<void> Destination::make_folders(const HubFile& file) const {
  for (const fs::path& path : {content(file), stem(file), lock(file)}) {
    if (Result<void> made = make_folder(path.parent_path()); !made) return made;
  }
  return {};
}

Result<void> Destination::publish(const std::vector<HubFile>& files, const std::string& revision) const {
  if (!is_cache_) {
    // A lock that another download holds stays, and keeps the folder alive.
    std::error_code none;
    for (const HubFile& file : files) {
      if (!fs::exists(lock(file), none)) continue;
      if (const auto held = FileLock::try_lock(lock(file)); held && *held) fs::remove(lock(file), none);
    }
    for (const HubFile& file : files) {
      for (fs::path inside = lock(file).parent_path(); inside != root_; inside = inside.parent_path()) {
        if (!fs::remove(inside, none)) break;
      }
    }
    return {};
  }
  for (const HubFile& file : files) {
    const fs::path link = root_ / file.path;
    if (Result<void> made = make_folder(link.parent_path()); !made) return made;
    const fs::path target = fs::path(content(file)).lexically_relative(link.parent_path());
    if (Result<void> linked = link_to(target, link); !linked) return linked;
  }
  if (revision == commit_) return {};
  const fs::path ref = repository_ / "refs" / revision;
  if (Result<void> made = make_folder(ref.parent_path()); !made) return made;
  return write_file(ref, commit_);
}

std::optional<fs::path> cached_snapshot(const fs::path& hub_cache, const std::string& repo, const std::string& revision) {
  const fs::path repository = repository_folder(hub_cache, repo);
  std::string commit = revision;
  if (!is_content_id(commit)) {
    if (defect_of_path(revision)) return std::nullopt;
    const auto text = read_text_file(repository / "refs" / revision, 4096);
    if (!text) return std::nullopt;
    commit = text->substr(0, text->find_first_of(" \r\n"));
    if (!is_content_id(commit)) return std::nullopt;
  }
  std::error_code none;
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!fs::is_directory(snapshot, none)) return std::nullopt;
  return snapshot;
}

Result<std::uint64_t> free_bytes(const fs::path& path) {
  std::error_code none;
  fs::path existing = fs::absolute(path, none);
  while (!fs::exists(existing, none) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs info {};
  if (::statvfs(existing.c_str(), &info) != 0) {
    return Error{ErrorCode::kIo, existing.string() + ": cannot ask for free space: " + std::strerror(errno)};
  }
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace toccata::hub
