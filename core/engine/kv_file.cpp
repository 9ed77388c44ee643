#include "core/engine/kv_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

namespace toccata::engine {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'T', 'O', 'C', 'K', 'V', '0', '1', '\n'};
constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 24;

// What a file begins with; then the tokens, the cache, and the checksum of all before it.
struct Head {
  char magic[8];
  std::uint64_t model;
  std::uint64_t n_tokens;
};
static_assert(sizeof(Head) == 24);

Error failed(const fs::path& path, const std::string& what) { return {ErrorCode::kIo, path.string() + ": " + what + ": " + std::strerror(errno)}; }
Error damaged(const fs::path& path) { return {ErrorCode::kCorrupt, path.string() + ": damaged, or no file of keys and values; delete it"}; }

// Writes through a large buffer and sums up what passes.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) { buffer_.reserve(kBuffer); }
  void put(std::span<const std::byte> bytes) {
    sum_ = checksum(bytes, sum_);
    if (buffer_.size() + bytes.size() > kBuffer) flush();
    if (bytes.size() > kBuffer) return write(bytes);
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  bool finish() {
    const std::uint64_t sum = sum_;
    put(std::as_bytes(std::span(&sum, 1)));
    flush();
    return good_;
  }

 private:
  static constexpr std::size_t kBuffer = std::size_t{1} << 20;
  void flush() {
    write(buffer_);
    buffer_.clear();
  }
  void write(std::span<const std::byte> bytes) {
    while (good_ && !bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      good_ = n > 0;
      if (good_) bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  int fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t sum_ = 0;
  bool good_ = true;
};

// Reads what it is asked for and no more, and sums up what passes. Not by mapping: another process may cut the file short.
class Reader {
 public:
  Reader(const fs::path& path, std::uint64_t model) : path_(path), model_(model), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Reader() {
    if (fd_ >= 0) close(fd_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<Tokens> tokens() {
    if (fd_ < 0) return failed(path_, "cannot be read");
    Head head{};
    if (!get(std::as_writable_bytes(std::span(&head, 1)))) return damaged(path_);
    if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.n_tokens > kTokensMax) return damaged(path_);
    if (head.model != model_) return Error{ErrorCode::kUnsupported, path_.string() + ": of another model, or of other options"};
    Tokens tokens(head.n_tokens);
    if (!get(std::as_writable_bytes(std::span(tokens)))) return damaged(path_);
    return tokens;
  }
  bool get(std::span<std::byte> out) {
    if (!take(out)) return false;
    sum_ = checksum(out, sum_);
    return true;
  }
  // Whether nothing follows but the sum of all that was read.
  bool ends_well() {
    std::uint64_t wanted = 0;
    std::byte more{};
    return take(std::as_writable_bytes(std::span(&wanted, 1))) && wanted == sum_ && ::read(fd_, &more, 1) == 0;
  }

 private:
  bool take(std::span<std::byte> out) {
    while (!out.empty()) {
      const ssize_t n = ::read(fd_, out.data(), out.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      out = out.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

  const fs::path& path_;
  const std::uint64_t model_;
  const int fd_;
  std::uint64_t sum_ = 0;
};

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t so_far) {
  constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15;
  std::uint64_t sum = so_far ^ (bytes.size() * kFactor);
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), n);
    sum = (std::rotl(sum, 29) ^ word) * kFactor;
    bytes = bytes.subspan(n);
  }
  return sum ^ (sum >> 32);
}

Result<void> write_kv_file(const fs::path& path, std::uint64_t model, std::span<const Token> tokens, const KeptKv& kept) {
  TOCCATA_CHECK(kept.size() == static_cast<std::int64_t>(tokens.size()));
  fs::path temporary = path;
  temporary += "." + std::to_string(getpid()) + ".part";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(temporary, "cannot be written");
  Writer writer(fd);
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.model = model;
  head.n_tokens = tokens.size();
  writer.put(std::as_bytes(std::span(&head, 1)));
  writer.put(std::as_bytes(tokens));
  kept.save([&](std::span<const std::byte> bytes) { writer.put(bytes); });
  bool good = writer.finish();
  good = close(fd) == 0 && good;
  if (good && rename(temporary.c_str(), path.c_str()) == 0) return {};
  const Error error = failed(path, "cannot be written");
  unlink(temporary.c_str());
  return error;
}

Result<Tokens> read_kv_tokens(const fs::path& path, std::uint64_t model) { return Reader(path, model).tokens(); }

Result<std::shared_ptr<const KeptKv>> read_kv_file(const fs::path& path, std::uint64_t model, const KvLoader& load) {
  Reader reader(path, model);
  const auto tokens = reader.tokens();
  if (!tokens) return tokens.error();
  try {
    std::shared_ptr<const KeptKv> kept = load([&](std::span<std::byte> out) { return reader.get(out); });
    if (kept == nullptr || !reader.ends_well() || kept->size() != static_cast<std::int64_t>(tokens->size())) return damaged(path);
    return kept;
  } catch (const Exception& no_room) {
    return no_room.error();
  }
}

}  // namespace toccata::engine
