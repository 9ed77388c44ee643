#include "tools/oauth/login_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/mapped_file.h"
#include "core/digest/digest.h"

namespace toccata::tools::oauth {
namespace {

namespace fs = std::filesystem;
constexpr int kLockLooks = 600, kLockPauseUs = 50'000;  // half a minute, longer than a renewal takes
constexpr std::size_t kFileBytesMax = std::size_t{256} << 10;

// Letters, digits, '-' and '_' of a server's name: for people who look into the folder.
std::string readable(const std::string& name) {
  std::string text = name.substr(0, 40);
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'); }, '_'
  );
  return text;
}

Error failure(const fs::path& file, const char* what) {
  return {ErrorCode::kIo, file.string() + " cannot be " + what + ": " + strerror(errno)};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return fsync(fd) == 0;
}

}  // namespace

LoginStore::LoginStore(fs::path folder, const std::string& name, std::string server_url) : server_url_(std::move(server_url)) {
  if (folder.empty()) return;
  Digest digest(DigestKind::kSha256);
  digest.add(server_url_);
  file_ = folder / (readable(name) + "-" + digest.hex().substr(0, 16) + ".json");
}

std::optional<Login> LoginStore::load() const {
  if (file_.empty()) return std::nullopt;
  struct stat about = {};
  // One that others can change might send the user's tokens elsewhere.
  if (stat(file_.c_str(), &about) != 0 || about.st_uid != geteuid() || (about.st_mode & 022) != 0) return std::nullopt;
  const Result<std::string> text = read_text_file(file_, kFileBytesMax);
  Result<Login> login = text ? login_from_json(*text) : Result<Login>(text.error());
  if (!login || login->server_url != server_url_) return std::nullopt;
  return std::move(*login);
}

Result<void> LoginStore::save(const Login& login) const {
  if (file_.empty()) return {};
  std::error_code failed;
  fs::create_directories(file_.parent_path(), failed);
  fs::permissions(file_.parent_path(), fs::perms::owner_all, failed);
  std::string part = file_.string() + ".XXXXXX";
  const int fd = mkostemp(part.data(), O_CLOEXEC);  // 0600 from the start
  if (fd < 0) return failure(file_, "written");
  const bool written = write_all(fd, to_json_text(login));
  close(fd);
  if (written && rename(part.c_str(), file_.c_str()) == 0) return {};
  Error error = failure(file_, "written");
  unlink(part.c_str());
  return error;
}

Result<bool> LoginStore::forget() const {
  if (file_.empty() || (unlink(file_.c_str()) != 0 && errno == ENOENT)) return false;
  if (access(file_.c_str(), F_OK) == 0) return failure(file_, "removed");
  unlink((file_.string() + ".lock").c_str());
  return true;
}

LoginStore::Lock::Lock(const LoginStore& store) {
  if (store.file_.empty()) return;
  std::error_code failed;
  fs::create_directories(store.file_.parent_path(), failed);
  fd_ = open((store.file_.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  for (int n = 0; fd_ >= 0 && n < kLockLooks && flock(fd_, LOCK_EX | LOCK_NB) != 0; ++n) usleep(kLockPauseUs);
}

LoginStore::Lock::~Lock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace toccata::tools::oauth
