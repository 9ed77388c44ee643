#include "core/hub/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/mapped_file.h"

namespace toccata::hub {
namespace {

namespace fs = std::filesystem;

// The state file: this head, then two counters a chunk, in the byte order of the machine (it never leaves it).
struct StateHead {
  char magic[8];
  std::uint64_t size, chunk_bytes;
  char boot_id[40];
};
constexpr char kMagic[9] = "TOCPULL1";
constexpr std::size_t kCounterBytes = 2 * sizeof(std::uint64_t);
constexpr std::size_t kChunksMax = std::size_t{1} << 20;

fs::path with_suffix(fs::path path, const char* suffix) { return path += suffix; }

Error io_error(const fs::path& path, const std::string& what) {
  const int saved = errno;
  const ErrorCode code = saved == ENOSPC || saved == EDQUOT      ? ErrorCode::kResourceExhausted
                         : saved == EACCES || saved == EROFS ? ErrorCode::kPermissionDenied
                                                             : ErrorCode::kIo;
  return Error{code, path.string() + ": cannot " + what + ": " + std::strerror(saved)};
}

Result<void> write_all(int fd, const fs::path& path, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

std::array<char, 40> boot_id() {
  std::array<char, 40> id{};
  if (const auto text = read_text_file("/proc/sys/kernel/random/boot_id", 4096)) {
    std::copy_n(text->data(), std::min(text->size(), id.size()), id.data());
  }
  return id;
}

}  // namespace

Result<PartialFile> PartialFile::open(const fs::path& stem, std::uint64_t size, std::uint64_t chunk_bytes) {
  PartialFile file;
  file.data_path_ = with_suffix(stem, ".toccata.incomplete");
  file.state_path_ = with_suffix(stem, ".toccata.done");
  file.size_ = size;
  std::error_code none;
  const fs::path foreign = with_suffix(stem, ".incomplete");
  const bool adopts = !fs::exists(file.data_path_, none) && fs::is_regular_file(foreign, none) &&
                      fs::file_size(foreign, none) <= size;
  if (adopts) fs::rename(foreign, file.data_path_, none);
  file.data_ = ::open(file.data_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file.data_ < 0) return io_error(file.data_path_, "open");
  file.state_ = ::open(file.state_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file.state_ < 0) return io_error(file.state_path_, "open");
  struct stat info {};
  if (::fstat(file.data_, &info) != 0) return io_error(file.data_path_, "stat");
  const auto present = static_cast<std::uint64_t>(info.st_size);
  file.lay_chunks(std::max(chunk_bytes, size / kChunksMax + 1));
  if (adopts) {
    for (Chunk& chunk : file.chunks_) {
      chunk.written = present > chunk.begin ? std::min(present - chunk.begin, chunk.size) : 0;
    }
  } else if (present == size) {
    file.read_state();
  }
  // Space is taken at once where the file system can, so that a disk that fills up meanwhile does not stop us late.
  if (size > 0 && ::fallocate(file.data_, 0, 0, static_cast<off_t>(size)) != 0) {
    if (errno == ENOSPC || errno == EDQUOT) {
      return io_error(file.data_path_, "reserve " + std::to_string(size) + " bytes");
    }
    if (::ftruncate(file.data_, static_cast<off_t>(size)) != 0) return io_error(file.data_path_, "resize");
  }
  if (Result<void> written = file.write_state(); !written) return written.error();
  return file;
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : data_path_(std::move(other.data_path_)), state_path_(std::move(other.state_path_)), size_(other.size_),
      chunk_bytes_(other.chunk_bytes_), data_(std::exchange(other.data_, -1)),
      state_(std::exchange(other.state_, -1)), chunks_(std::move(other.chunks_)) {}

PartialFile::~PartialFile() {
  if (data_ >= 0) ::close(data_);
  if (state_ >= 0) ::close(state_);
}

void PartialFile::lay_chunks(std::uint64_t chunk_bytes) {
  chunk_bytes_ = chunk_bytes;
  chunks_.clear();
  for (std::uint64_t begin = 0; begin < size_; begin += chunk_bytes) {
    chunks_.push_back({begin, std::min(chunk_bytes, size_ - begin), 0, 0});
  }
}

void PartialFile::read_state() {
  const auto text = read_text_file(state_path_, sizeof(StateHead) + kChunksMax * kCounterBytes);
  if (!text || text->size() < sizeof(StateHead)) return;
  StateHead head;
  std::memcpy(&head, text->data(), sizeof head);
  const bool ours = std::memcmp(head.magic, kMagic, sizeof head.magic) == 0 && head.size == size_ &&
                    head.chunk_bytes > 0 && size_ / head.chunk_bytes < kChunksMax;
  if (!ours) return;
  const std::size_t n_chunks = static_cast<std::size_t>((size_ + head.chunk_bytes - 1) / head.chunk_bytes);
  if (text->size() != sizeof head + n_chunks * kCounterBytes) return;
  const std::array<char, 40> now = boot_id();
  const bool same_boot = std::memcmp(head.boot_id, now.data(), now.size()) == 0 && now[0] != '\0';
  lay_chunks(head.chunk_bytes);
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    std::uint64_t counters[2];
    std::memcpy(counters, text->data() + sizeof head + i * kCounterBytes, sizeof counters);
    chunks_[i].synced = std::min(counters[1], chunks_[i].size);
    chunks_[i].written = same_boot ? std::min(counters[0], chunks_[i].size) : chunks_[i].synced;
  }
}

Result<void> PartialFile::write_state() {
  StateHead head{};
  std::memcpy(head.magic, kMagic, sizeof head.magic);
  head.size = size_;
  head.chunk_bytes = chunk_bytes_;
  const std::array<char, 40> now = boot_id();
  std::memcpy(head.boot_id, now.data(), now.size());
  std::string text(reinterpret_cast<const char*>(&head), sizeof head);
  for (const Chunk& chunk : chunks_) {
    const std::uint64_t counters[2] = {chunk.written, chunk.synced};
    text.append(reinterpret_cast<const char*>(counters), sizeof counters);
  }
  // In place: a resumed download writes what stands there already, and a kill in between loses nothing.
  if (Result<void> written = write_all(state_, state_path_, 0, text); !written) return written.error();
  if (::ftruncate(state_, static_cast<off_t>(text.size())) != 0) return io_error(state_path_, "resize");
  return {};
}

Result<void> PartialFile::write_counters(std::size_t index) {
  const std::uint64_t counters[2] = {chunks_[index].written, chunks_[index].synced};
  return write_all(
      state_, state_path_, sizeof(StateHead) + index * kCounterBytes,
      {reinterpret_cast<const char*>(counters), sizeof counters}
  );
}

PartialFile::Chunk PartialFile::chunk(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return chunks_.at(index);
}

std::uint64_t PartialFile::bytes_done() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Chunk& chunk : chunks_) bytes += chunk.written;
  return bytes;
}

Result<std::uint64_t> PartialFile::write(std::uint64_t offset, std::string_view bytes) {
  TOCCATA_CHECK(offset <= size_ && bytes.size() <= size_ - offset);
  if (Result<void> written = write_all(data_, data_path_, offset, bytes); !written) return written.error();
  const std::uint64_t end = offset + bytes.size();
  std::uint64_t gained = 0;
  const std::lock_guard lock(mutex_);
  for (std::uint64_t i = offset / chunk_bytes_; i < chunks_.size() && chunks_[i].begin < end; ++i) {
    Chunk& chunk = chunks_[i];
    const std::uint64_t next = chunk.begin + chunk.written;
    const std::uint64_t reached = std::min(end, chunk.begin + chunk.size);
    if (offset > next || reached <= next) continue;  // leaves a gap, or was there already
    gained += reached - next;
    chunk.written = reached - chunk.begin;
    if (Result<void> noted = write_counters(i); !noted) return noted.error();
  }
  return gained;
}

Result<void> PartialFile::sync() {
  std::vector<std::uint64_t> written;
  {
    const std::lock_guard lock(mutex_);
    for (const Chunk& chunk : chunks_) written.push_back(chunk.written);
  }
  if (::fdatasync(data_) != 0) return io_error(data_path_, "sync");
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (written[i] <= chunks_[i].synced) continue;
    chunks_[i].synced = written[i];
    if (Result<void> noted = write_counters(i); !noted) return noted;
  }
  return {};
}

Result<void> PartialFile::restart() {
  const std::lock_guard lock(mutex_);
  lay_chunks(chunk_bytes_);
  return write_state();
}

Result<void> PartialFile::finish(const fs::path& final_path) {
  if (::fdatasync(data_) != 0) return io_error(data_path_, "sync");
  if (::rename(data_path_.c_str(), final_path.c_str()) != 0) {
    return io_error(data_path_, "rename to " + final_path.string());
  }
  ::unlink(state_path_.c_str());
  return {};
}

void PartialFile::discard() {
  ::unlink(state_path_.c_str());
  ::unlink(data_path_.c_str());
}

std::uint64_t PartialFile::allocated_bytes(const fs::path& stem) {
  for (const char* suffix : {".toccata.incomplete", ".incomplete"}) {
    struct stat info {};
    if (::stat(with_suffix(stem, suffix).c_str(), &info) == 0) {
      return static_cast<std::uint64_t>(info.st_blocks) * 512;
    }
  }
  return 0;
}

}  // namespace toccata::hub
