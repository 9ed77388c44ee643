#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "core/base/error.h"

namespace toccata {

// A whole file, mapped read-only. Movable; unmaps when destroyed. The bytes stay valid when the object moves.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// The whole file as a string; for configuration-sized files. Fails above `limit` bytes.
Result<std::string> read_text_file(
    const std::filesystem::path& path, std::size_t limit = std::size_t{64} << 20
);

}  // namespace toccata
