// A file that arrives in pieces, in any order, and what of it is there already.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace toccata::hub {

// <stem>.toccata.incomplete holds the bytes at their places, <stem>.toccata.done how far each chunk is. A counter is
// written after its bytes, so a killed process loses nothing; each chunk has a second counter that is written after
// fdatasync(), and after a reboot (another boot id) only that one is believed, as the system may have lost the rest.
// What the counters say is only an economy: the whole file is hashed in the end.
//
// The names are not those of huggingface_hub (<stem>.incomplete), which takes the length of its file for what is done.
// Such a file is adopted: its bytes are a beginning.
//
// Threads: each chunk belongs to one thread at a time; everything else may be called from any.
class PartialFile {
 public:
  struct Chunk {
    std::uint64_t begin = 0, size = 0, written = 0, synced = 0;
    bool done() const { return written == size; }
  };

  // Opens or makes it. A state that does not fit `size` starts afresh. kIo, kResourceExhausted (no space).
  static Result<PartialFile> open(const std::filesystem::path& stem, std::uint64_t size, std::uint64_t chunk_bytes);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();

  const std::filesystem::path& path() const { return data_path_; }
  std::size_t chunk_count() const { return chunks_.size(); }
  Chunk chunk(std::size_t index) const;
  std::uint64_t bytes_done() const;

  // Bytes at a place of the file, within its size. Returns how many of them are new.
  Result<std::uint64_t> write(std::uint64_t offset, std::string_view bytes);
  // What was written is on the disk.
  Result<void> sync();
  // Forgets all bytes.
  Result<void> restart();
  // Removes it.
  void discard();
  // All is there and right: the file gets its name.
  Result<void> finish(const std::filesystem::path& final_path);

  // Bytes of the disk that opening `stem` would find in use already.
  static std::uint64_t allocated_bytes(const std::filesystem::path& stem);

 private:
  PartialFile() = default;
  void read_state();
  Result<void> write_state();
  Result<void> write_counters(std::size_t index);
  void lay_chunks(std::uint64_t chunk_bytes);

  std::filesystem::path data_path_, state_path_;
  std::uint64_t size_ = 0, chunk_bytes_ = 0;
  int data_ = -1, state_ = -1;
  std::vector<Chunk> chunks_;
  mutable std::mutex mutex_;  // guards the counters of chunks_
};

}  // namespace toccata::hub
