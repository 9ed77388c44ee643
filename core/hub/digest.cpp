#include "core/hub/digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace toccata::hub {
namespace {

constexpr std::size_t kSha1Digits = 40, kSha256Digits = 64;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

Error io_error(const std::filesystem::path& file, const char* what) {
  return Error{ErrorCode::kIo, file.string() + ": cannot " + what + ": " + std::strerror(errno)};
}

Result<void> add_file(int fd, const std::filesystem::path& file, Digest& digest, const std::stop_token& stop) {
  std::vector<char> buffer(kReadBytes);
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "stopped while checking " + file.string()};
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0) return {};
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(file, "read");
    digest.add({buffer.data(), static_cast<std::size_t>(n)});
  }
}

}  // namespace

bool is_content_id(std::string_view id) {
  return (id.size() == kSha1Digits || id.size() == kSha256Digits) &&
         id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::string> content_id(
    const std::filesystem::path& file, std::string_view like, const std::stop_token& stop
) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error(file, "open");
  struct stat info {};
  Result<void> read;
  Digest digest(like.size() == kSha1Digits ? DigestKind::kSha1 : DigestKind::kSha256);
  if (::fstat(fd, &info) != 0) {
    read = io_error(file, "stat");
  } else {
    if (like.size() == kSha1Digits) {
      const std::string head = "blob " + std::to_string(info.st_size);
      digest.add({head.c_str(), head.size() + 1});  // its NUL included
    }
    read = add_file(fd, file, digest, stop);
  }
  ::close(fd);
  if (!read) return read.error();
  return digest.hex();
}

}  // namespace toccata::hub
