#include "agent/task/line_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/mapped_file.h"

namespace toccata::task {
namespace {

Error system_error(const std::filesystem::path& path, const char* what) {
  return Error{ErrorCode::kIo, path.string() + ": cannot " + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<LineFile>> LineFile::open(
    const std::filesystem::path& path, const std::string& what, const std::function<bool(const Value&)>& take
) {
  std::unique_ptr<LineFile> lines(new LineFile);
  lines->path_ = path;
  lines->file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (lines->file_ < 0) return system_error(path, "open");
  if (::flock(lines->file_, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kUnavailable, path.string() + ": another process is writing it; wait for it or name another file"};
  }
  constexpr std::size_t kFileMax = std::size_t{2} << 30;
  Result<std::string> text = read_text_file(path, kFileMax);
  if (!text) return text.error();
  std::size_t at = 0, line = 0;
  while (at < text->size()) {
    const std::size_t end = text->find('\n', at);
    ++line;
    if (end == std::string::npos) break;
    Value json;
    if (!parse_json(std::string_view(*text).substr(at, end - at), json) || !take(json)) {
      return Error{ErrorCode::kCorrupt, path.string() + ":" + std::to_string(line) + ": found no " + what +
                                            ", expected what an earlier run wrote; name another file"};
    }
    at = end + 1;
  }
  // Only the end can be torn, and only by a process that died while it wrote: that was not done. Something that never was
  // one of our lines is left alone.
  if (at < text->size()) {
    if ((*text)[at] != '{') {
      return Error{ErrorCode::kCorrupt, path.string() + ":" + std::to_string(line) + ": found no " + what + "; name another file"};
    }
    if (::ftruncate(lines->file_, static_cast<off_t>(at)) != 0) return system_error(path, "cut the torn last line off");
  }
  return lines;
}

LineFile::~LineFile() {
  if (file_ >= 0) ::close(file_);
}

void LineFile::append(const Value& value) {
  const std::string line = to_json_text(value) + "\n";
  const std::scoped_lock lock(mutex_);
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = ::write(file_, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Exception(system_error(path_, "write"));
    written += static_cast<std::size_t>(n);
  }
  if (::fdatasync(file_) != 0 && errno != EINVAL) throw Exception(system_error(path_, "write"));  // EINVAL: a pipe
}

void LineFile::remove() {
  const std::scoped_lock lock(mutex_);
  std::error_code gone;
  std::filesystem::remove(path_, gone);
}

}  // namespace toccata::task
